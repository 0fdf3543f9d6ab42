"""Stand-ins for the heavy networks: fast, deterministic, and local in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc.embedders.embedder import EmbedderSpec


class FakeEmbedder:
    """Features that depend on nothing but the 25 ms they stand for."""

    def __init__(self, width: int = 32) -> None:
        self.spec = EmbedderSpec("fake", width, 12, False)
        rng = np.random.default_rng(0)
        self.basis = rng.standard_normal((400, width)).astype(np.float32) / 4
        self.samples = 0

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        self.samples += len(wave_16k)
        frames = (len(wave_16k) - 400) // 320 + 1
        windows = np.lib.stride_tricks.sliding_window_view(wave_16k, 400)[::320][:frames]
        return np.tanh(windows @ self.basis)

    def batch(self, waves: Any) -> Any:
        return [self(w) for w in waves]

    def tensors(self, waves: Any) -> list[Tensor]:
        return [torch.from_numpy(rows) for rows in self.batch(waves)]


class FakePitch:
    """Pitch by zero crossings within 100 ms; unvoiced below -50 dBFS."""

    def __init__(self, device: str = "cpu") -> None:
        self.samples = 0

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        self.samples += len(wave_16k)
        frames = len(wave_16k) // 160 + 1
        padded = np.pad(wave_16k, 800)
        up = (padded[1:] > 0) & (padded[:-1] <= 0)
        crossings = np.concatenate([[0], np.cumsum(up)])
        power = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
        begin = np.arange(frames) * 160
        end = np.minimum(begin + 1600, len(padded) - 1)
        hz = 10.0 * (crossings[end] - crossings[begin])
        rms = np.sqrt((power[end] - power[begin]) / 1600)
        return np.where((rms > 0.003) & (hz > 40) & (hz < 1800), hz, 0).astype(np.float32)
