"""What sound is made of and how loud it is: filters, mel bands, levels, loudness
(BS.1770), crossfades.

Waves are float32 (T,) unless said otherwise; nothing here changes its arguments.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

RUMBLE_HZ = 48.0
RUMBLE_ORDER = 5
STEP_HZ, LINEAR_HZ = 200.0 / 3, 1000.0  # Slaney's scale: mels of this width up to 1 kHz,

LINEAR_MELS = LINEAR_HZ / STEP_HZ

LOG_STEP = np.log(6.4) / 27.0  # from there on each is wider, by a factor of 6.4 in 27 of them
POWER_CHUNK = 1 << 18  # samples
LUFS_OFFSET = -0.691
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = 10.0
OVERSAMPLE = 4
TAPS = 12  # per phase of the oversampling filter
CELL = 1024  # samples that are oversampled, or left out, together


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


def _biquads(rate: int) -> np.ndarray:
    """The K-weighting at any rate: a high shelf (+4 dB above 1.7 kHz), then a high-pass at 38 Hz.

    The corner frequencies and qualities reproduce the coefficients the standard gives at 48 kHz.
    """
    k = np.tan(np.pi * 1681.974450955533 / rate)
    q, high, band = 0.7071752369554196, 10 ** (3.999843853973347 / 20), 1.258720930232562
    norm = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / norm,
        2 * (k * k - high) / norm,
        (high - band * k / q + k * k) / norm,
        1.0,
        2 * (k * k - 1) / norm,
        (1 - k / q + k * k) / norm,
    ]
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    norm = 1 + k / q + k * k
    low_cut = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    return np.array([shelf, low_cut])


class Loudness:
    """Integrated loudness of a sound of any length, in constant memory.

    Args:
        rate: in Hz.
        channels: all weighted alike.
    """

    def __init__(self, rate: int, channels: int = 1) -> None:
        self.filter = _biquads(rate)
        self.state = np.zeros((2, 2, channels))
        self.hop = rate // 10
        self.rest = np.zeros((0, channels))
        self.powers: list[np.ndarray] = []

    def add(self, wave: np.ndarray) -> None:
        """Take the next block (T,) or (T, C)."""
        from scipy import signal

        if not len(wave):
            return
        wave = wave.reshape(len(wave), -1)
        weighted, self.state = signal.sosfilt(self.filter, wave, axis=0, zi=self.state)
        self.rest = np.concatenate([self.rest, weighted])
        count = len(self.rest) // self.hop
        whole, self.rest = self.rest[: count * self.hop], self.rest[count * self.hop :]
        steps = whole.reshape(count, self.hop, wave.shape[1])
        self.powers.append(np.square(steps).mean(axis=1).sum(axis=1))

    def lufs(self) -> float:
        """Integrated loudness in LUFS; -inf for silence and for less than 0.4 s."""
        steps = np.concatenate(self.powers) if self.powers else np.zeros(0)
        if len(steps) < 4:
            return -np.inf
        power = np.convolve(steps, np.full(4, 0.25), "valid")  # 400 ms, 75 % overlap
        loud = _lufs(power)
        power = power[loud > ABSOLUTE_GATE_LUFS]
        if not len(power):
            return -np.inf
        power = power[_lufs(power) > _lufs(power.mean()) - RELATIVE_GATE_LU]
        return float(_lufs(power.mean()))


def _lufs(power: np.ndarray) -> np.ndarray:
    loudness: np.ndarray = LUFS_OFFSET + 10 * np.log10(np.maximum(power, 1e-30))
    return loudness


class TruePeak:
    """Highest level between the samples too, by fourfold oversampling, while blocks stream by."""

    def __init__(self, channels: int = 1) -> None:
        from scipy import signal

        self.filter = signal.firwin(2 * TAPS * OVERSAMPLE + 1, 0.97 / OVERSAMPLE) * OVERSAMPLE
        # how many times louder than all samples around it a moment between them can be
        self.most = max(float(np.abs(self.filter[i::OVERSAMPLE]).sum()) for i in range(OVERSAMPLE))
        self.tail = np.zeros((2 * TAPS, channels))
        self.peak = 0.0

    def add(self, wave: np.ndarray) -> None:
        """Take the next block (T,) or (T, C)."""
        from scipy import signal

        wave = np.concatenate([self.tail, wave.reshape(len(wave), -1)])
        self.tail = wave[-2 * TAPS :]
        loudest = np.maximum.reduceat(np.abs(wave).max(axis=1), np.arange(0, len(wave), CELL))
        self.peak = max(self.peak, float(loudest.max(initial=0.0)))
        edge = 2 * TAPS * OVERSAMPLE  # the filter's run-in and run-out belong to other blocks
        exceeding = np.diff(loudest * self.most > self.peak, prepend=False, append=False)
        for first, last in np.flatnonzero(exceeding).reshape(-1, 2) * CELL:
            part = wave[max(0, first - 2 * TAPS) : last + 2 * TAPS]
            finer = signal.upfirdn(self.filter, part, OVERSAMPLE, axis=0)
            self.peak = max(self.peak, float(np.abs(finer[edge:-edge]).max(initial=0.0)))


def _to_mel(hz: float, htk: bool) -> float:
    if htk:
        return float(2595.0 * np.log10(1.0 + hz / 700.0))
    if hz < LINEAR_HZ:
        return hz / STEP_HZ
    return float(LINEAR_MELS + np.log(hz / LINEAR_HZ) / LOG_STEP)


def _to_hz(mels: np.ndarray, htk: bool) -> np.ndarray:
    if htk:
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    hz, above = mels * STEP_HZ, mels >= LINEAR_MELS
    hz[above] = LINEAR_HZ * np.exp(LOG_STEP * (mels[above] - LINEAR_MELS))
    return hz


def mel_bank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    htk: bool = False,
    dtype: DTypeLike = np.float64,
) -> np.ndarray:
    """Triangular filters of equal area that bring a spectrum to the mel scale.

    Equal to `librosa.filters.mel` to the last bit, without its half a second of imports.

    Args:
        high_hz: None = half the sample rate.
        htk: the logarithmic scale of HTK, else that of Slaney's Auditory Toolbox.
        dtype: of the triangles before they are scaled, and of the result.

    Returns:
        (n_mels, n_fft // 2 + 1) of `dtype`.
    """
    high = sample_rate / 2 if high_hz is None else high_hz
    mels = np.linspace(_to_mel(low_hz, htk), _to_mel(high, htk), n_mels + 2)
    edges_hz = _to_hz(mels, htk)
    slopes = edges_hz[:, None] - np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    widths = np.diff(edges_hz)[:, None]
    rising, falling = -slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]
    bank = np.maximum(0, np.minimum(rising, falling)).astype(dtype)
    bank *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return bank
