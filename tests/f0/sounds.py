"""Sounds of known pitch at 16 kHz."""

from __future__ import annotations

import numpy as np

RATE = 16_000


def voice(f0_hz: np.ndarray, level: float = 0.3, harmonics: int = 20) -> np.ndarray:
    """A harmonic sound (T,) following the pitch `f0_hz` (T,), harmonics falling as 1/n."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    wave = np.zeros(len(f0_hz))
    for n in range(1, harmonics + 1):
        wave += np.where(n * f0_hz < 7500, np.sin(n * phase) / n, 0)
    return np.asarray(level * wave / np.abs(wave).max(), np.float32)


def tone(hz: float, seconds: float = 1.0, level: float = 0.3) -> np.ndarray:
    return voice(np.full(int(seconds * RATE), float(hz)), level)


def sweep(low_hz: float, high_hz: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """(wave, its true pitch per frame)"""
    samples = int(seconds * RATE)
    f0 = np.geomspace(low_hz, high_hz, samples)
    return voice(f0), f0[np.minimum(np.arange(samples // 160 + 1) * 160, samples - 1)]


def gross_error(found_hz: np.ndarray, true_hz: np.ndarray) -> float:
    """Share of the frames that are unvoiced or off by more than half a semitone."""
    with np.errstate(divide="ignore"):
        off = np.abs(12 * np.log2(found_hz / true_hz))
    return float(np.mean(off > 0.5))
