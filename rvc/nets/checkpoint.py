"""Training checkpoints in Applio's format: the G_ and D_ files of a training, and base models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rvc import files
from rvc.errors import BadInput
from rvc.hub import safe
from rvc.nets.voice_file import Weights, public_names


@dataclass(frozen=True)
class Checkpoint:
    """A G_ or D_ file: public key names, and where training stood."""

    model: Weights
    iteration: int
    learning_rate: float
    optimizer: dict[str, Any]
    scaler: dict[str, Any]


def write_checkpoint(
    path: Path,
    net: nn.Module,
    iteration: int,
    learning_rate: float,
    optimizer: Mapping[str, Any] | None = None,
    scaler: Mapping[str, Any] | None = None,
) -> None:
    """Write a G_ or D_ file as Applio does: public names, epoch as `iteration`."""
    content = {
        "model": {k: v.detach().cpu() for k, v in public_names(net.state_dict()).items()},
        "iteration": iteration,
        "optimizer": dict(optimizer or {}),
        "learning_rate": learning_rate,
        "scaler": dict(scaler or {}),
    }
    with files.replacing(path) as part:
        torch.save(content, part)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a G_ or D_ file or a base model; nothing in it is run.

    Raises:
        BadInput: missing, damaged, hostile or no checkpoint.
    """
    raw = safe.load(path)
    if not isinstance(raw, Mapping) or "model" not in raw:
        raise BadInput(f"{path} is no training checkpoint.", "Choose a G_ or D_ file.")
    optimizer, scaler = raw.get("optimizer"), raw.get("scaler")
    return Checkpoint(
        model=public_names(safe.check_tensors(raw["model"], str(path))),
        iteration=int(raw.get("iteration") or 0),
        learning_rate=float(raw.get("learning_rate") or 0.0),
        optimizer=dict(optimizer) if isinstance(optimizer, Mapping) else {},
        scaler=dict(scaler) if isinstance(scaler, Mapping) else {},
    )
