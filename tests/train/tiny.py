"""Networks of the real shape and tiny widths, and trainings of them that take a second."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rvc import Report, silent
from rvc.nets import config
from rvc.nets.config import VoiceSettings
from rvc.nets.discriminators import Discriminator, Discriminators
from rvc.nets.layers import normed
from rvc.params import Train
from rvc.train import checkpoint, preflight, train
from rvc.train.build import Parts
from tests.train.make import RATE, experiment

SMALL: dict[str, Any] = {
    "inter_channels": 8,
    "hidden_channels": 8,
    "filter_channels": 16,
    "n_layers": 1,
    "upsample_initial_channel": 16,
    "gin_channels": 4,
    "resblock_kernel_sizes": (3,),
    "resblock_dilation_sizes": ((1, 3),),
    "segment_size": 4000,
}


class TinyPeriod(Discriminator):
    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        self.convs = nn.ModuleList(
            [normed(nn.Conv1d(period, 8, 5, 3, 2)), normed(nn.Conv1d(8, 8, 5, 1, 2))]
        )
        self.conv_post = normed(nn.Conv1d(8, 1, 3, padding=1))

    def prepare(self, wave: torch.Tensor) -> torch.Tensor:
        wave = wave[..., : wave.shape[-1] // self.period * self.period]
        rows: torch.Tensor = wave.unflatten(2, (-1, self.period))[:, 0]
        return rows.transpose(1, 2)


class TinyDiscriminators(Discriminators):
    """Three small discriminators in place of nine big ones."""

    def __init__(self, version: str = "v2") -> None:
        nn.Module.__init__(self)
        self.version = version
        self.discriminators = nn.ModuleList(TinyPeriod(p) for p in (2, 3, 5))


def small_settings() -> VoiceSettings:
    return replace(config.load(RATE), **SMALL)


class FlatPitch:
    """An extractor that hears 120 Hz everywhere."""

    def __init__(self, method: str, device: str) -> None:
        pass

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        return np.full(len(wave_16k) // 160 + 1, 120.0, np.float32)


PARTS = Parts(
    discriminators=TinyDiscriminators,
    shortest_step_s=lambda *_: 0.0,
    judge_slices=lambda *_: None,
    build_index=lambda *_: {"index": "", "vectors": 0},
    settle_index_rate=lambda *_: None,
    write_report=lambda *_: None,
    summary_writer=lambda *_: None,  # seconds of imports
    load_pitch=FlatPitch,
)


def run(p: Train, report: Report = silent, **parts: Any) -> dict[str, Any]:
    """Train with small parts, some of them replaced."""
    return train.run(p, report, replace(PARTS, **parts))


def saved(folder: Path) -> dict[str, Any]:
    """The state that a training has left, which must be there."""
    found = checkpoint.load(folder)
    assert found is not None
    return found


def voice(home: Path, monkeypatch: pytest.MonkeyPatch, name: str = "v", **options: Any) -> Path:
    """An experiment that trains in a second; returns its folder."""
    monkeypatch.setenv("RVC_HOME", str(home))
    monkeypatch.setattr(preflight, "LEAST_SPEECH_S", 0.5)
    torch.set_num_threads(1)
    folder = experiment(home / "logs" / name, **options)
    (folder / "config.json").write_text(json.dumps(small_settings().as_json()))
    return folder


def params(**changes: Any) -> Train:
    given: dict[str, Any] = {
        "model_name": "v",
        "sample_rate": RATE,
        "save_every_epoch": 1,
        "total_epoch": 2,
        "batch_size": 2,
        "pretrained": False,
        "gpu": "-",
        "holdout": 0.0,
    }
    return Train(**(given | changes))
