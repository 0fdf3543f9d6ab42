"""The golden data, and the rule that fills large networks with known weights."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parents[1] / "data" / "golden"


def array(name: str) -> torch.Tensor:
    return torch.from_numpy(np.load(FOLDER / f"{name}.npy"))


def numbers(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def off_peak(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference as a part of the peak."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def rule(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weight that the rule of golden/README.md gives to a key."""
    r = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if key.endswith("bias"):
        r = 0.02 * r
    elif key.endswith("weight_g") or len(shape) == 1:
        r = 1 + 0.1 * r
    else:
        r = r / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(r.astype(np.float32))
