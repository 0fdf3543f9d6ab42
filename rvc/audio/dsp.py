"""Small numpy/scipy tools on sound: filters, levels, crossfades.

Waves are float32 (T,) unless said otherwise; nothing here changes its arguments.
"""

from __future__ import annotations

import math

import numpy as np

RUMBLE_HZ = 48.0
RUMBLE_ORDER = 5
POWER_CHUNK = 1 << 18  # samples


def _rumble(rate: int) -> np.ndarray:
    from scipy import signal

    sections: np.ndarray = signal.butter(RUMBLE_ORDER, RUMBLE_HZ, "highpass", fs=rate, output="sos")
    return sections


def highpass(wave: np.ndarray, rate: int, zero_phase: bool = True) -> np.ndarray:
    """Remove rumble: 5th-order Butterworth high-pass at 48 Hz.

    Args:
        zero_phase: filter forwards and backwards (conversion); else causal (preprocessing).
    """
    from scipy import signal

    if not len(wave):
        return wave.astype(np.float32)
    if zero_phase:
        out: np.ndarray = signal.sosfiltfilt(_rumble(rate), wave, padlen=min(18, len(wave) - 1))
    else:
        out = signal.sosfilt(_rumble(rate), wave)
    return out.astype(np.float32)


def peak(wave: np.ndarray) -> float:
    """Largest absolute sample; 0 for silence and for nothing."""
    return max(float(wave.max(initial=0)), -float(wave.min(initial=0)))


def db(ratio: float) -> float:
    """Amplitude ratio in decibels; -inf for 0."""
    return 20 * math.log10(ratio) if ratio > 0 else -math.inf


def moving_power(wave: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Mean square in windows centred on 0, hop, 2·hop ...; beyond the ends counts as silence.

    Returns:
        (T // hop + 1,) float64, one value per hop.
    """
    half, count = window // 2, len(wave) // hop + 1
    power, step = np.empty(count), max(1, POWER_CHUNK // hop)
    for first in range(0, count, step):  # in chunks: a running sum of hours would be huge
        centres = np.arange(first, min(first + step, count)) * hop
        low = np.clip(centres - half, 0, len(wave))
        high = np.clip(centres - half + window, 0, len(wave))
        squares = np.square(wave[low[0] : high[-1]], dtype=np.float64)
        sums = np.concatenate(([0.0], np.cumsum(squares)))
        power[first : first + len(centres)] = sums[high - low[0]] - sums[low - low[0]]
    return np.maximum(power, 0) / window


def fade_in(size: int) -> np.ndarray:
    """Rising sin² weights (size,) float32; with its mirror image it sums to exactly 1."""
    rise: np.ndarray = np.sin((np.arange(size) + 0.5) * (math.pi / 2 / max(size, 1))) ** 2
    return rise.astype(np.float32)


def crossfade(first: np.ndarray, second: np.ndarray, overlap: int) -> np.ndarray:
    """Join two waves that share `overlap` samples; equal content passes unchanged."""
    overlap = min(overlap, len(first), len(second))
    if overlap <= 0:
        return np.concatenate([first, second])
    rise = fade_in(overlap)
    middle = first[-overlap:] * rise[::-1] + second[:overlap] * rise
    return np.concatenate([first[:-overlap], middle, second[overlap:]])
