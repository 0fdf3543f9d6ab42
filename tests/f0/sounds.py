"""Sounds of known pitch at 16 kHz."""

import numpy as np

RATE = 16_000


def voice(f0_hz, level=0.3, harmonics=20):
    """A harmonic sound (T,) following the pitch `f0_hz` (T,), harmonics falling as 1/n."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    wave = np.zeros(len(f0_hz))
    for n in range(1, harmonics + 1):
        wave += np.where(n * f0_hz < 7500, np.sin(n * phase) / n, 0)
    return (level * wave / np.abs(wave).max()).astype(np.float32)


def tone(hz, seconds=1.0, level=0.3):
    return voice(np.full(int(seconds * RATE), float(hz)), level)


def sweep(low_hz, high_hz, seconds):
    """(wave, its true pitch per frame)"""
    samples = int(seconds * RATE)
    f0 = np.geomspace(low_hz, high_hz, samples)
    return voice(f0), f0[np.minimum(np.arange(samples // 160 + 1) * 160, samples - 1)]


def gross_error(found_hz, true_hz):
    """Share of the frames that are unvoiced or off by more than half a semitone."""
    with np.errstate(divide="ignore"):
        off = np.abs(12 * np.log2(found_hz / true_hz))
    return float(np.mean(off > 0.5))
