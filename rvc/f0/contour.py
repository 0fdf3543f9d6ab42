"""Arithmetic on pitch curves: arrays (T,) in Hz, one value per 10 ms, 0 where unvoiced."""

from __future__ import annotations

import numpy as np

LOW_HZ, HIGH_HZ, BINS = 50.0, 1100.0, 254  # the scale of `coarse`; part of every trained voice
NOTES_HZ = 440.0 * 2.0 ** (np.arange(-38, 16) / 12)  # G1 (49.0 Hz) to C6 (1046.5 Hz)


def mel(hz: np.ndarray | float) -> np.ndarray:
    """Hz on the mel scale (natural-logarithm form)."""
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


def coarse(f0_hz: np.ndarray) -> np.ndarray:
    """Bins 1..255 (int64) that the text encoder sees; 1 is unvoiced or below 50 Hz.

    Everything above 1100 Hz shares bin 255; the fine curve keeps its pitch.
    """
    low, high = mel(LOW_HZ), mel(HIGH_HZ)
    position = mel(np.nan_to_num(np.asarray(f0_hz, np.float64), posinf=0.0, neginf=0.0))
    position = np.where(position > 0, (position - low) * BINS / (high - low) + 1.0, 0.0)
    bins: np.ndarray = np.rint(np.clip(position, 1, 255))
    return bins.astype(np.int64)


def shift(f0_hz: np.ndarray, semitones: float) -> np.ndarray:
    """Transpose; unvoiced frames stay unvoiced."""
    moved: np.ndarray = f0_hz * 2.0 ** (semitones / 12)
    return moved.astype(np.float32)


def autotune(f0_hz: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Pull voiced frames towards the nearest semitone (A4 = 440 Hz) by `strength` (0..1)."""
    out = np.array(f0_hz, np.float64)
    voiced = out > 0
    steps = 12 * np.log2(out[voiced] / 440.0)
    out[voiced] = 440.0 * 2.0 ** ((steps + strength * (np.rint(steps) - steps)) / 12)
    return out.astype(np.float32)


def median_hz(f0_hz: np.ndarray) -> float:
    """The median of the voiced frames; 0 when there are fewer than two."""
    voiced = f0_hz[f0_hz > 0]
    return float(np.median(voiced)) if len(voiced) >= 2 else 0.0


def semitones_to(median_hz: float, target_hz: float) -> int:
    """Whole semitones, at most 12, from a median pitch to another; 0 for an unknown one (0 Hz)."""
    if not median_hz:
        return 0
    return int(np.clip(np.rint(12 * np.log2(target_hz / median_hz)), -12, 12))


def fit(f0_hz: np.ndarray, frames: int) -> np.ndarray:
    """Cut, or repeat the last value, to exactly `frames` frames."""
    if len(f0_hz) >= frames:
        return f0_hz[:frames]
    if len(f0_hz) == 0:
        return np.zeros(frames, np.float32)
    return np.pad(f0_hz, (0, frames - len(f0_hz)), mode="edge")
