"""How loud sound is, measured as it streams by: loudness (BS.1770), true peak, envelope."""

from __future__ import annotations

import numpy as np
from scipy import signal

LUFS_OFFSET = -0.691
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = 10.0
OVERSAMPLE = 4
TAPS = 12  # per phase of the oversampling filter


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
        self.filter = signal.firwin(2 * TAPS * OVERSAMPLE + 1, 0.97 / OVERSAMPLE) * OVERSAMPLE
        self.tail = np.zeros((2 * TAPS, channels))
        self.peak = 0.0

    def add(self, wave: np.ndarray) -> None:
        """Take the next block (T,) or (T, C)."""
        wave = np.concatenate([self.tail, wave.reshape(len(wave), -1)])
        self.tail = wave[-2 * TAPS :]
        self.peak = max(self.peak, float(np.abs(wave).max(initial=0.0)))
        if self.peak > 0:
            finer = signal.upfirdn(self.filter, wave, OVERSAMPLE, axis=0)
            edge = 2 * TAPS * OVERSAMPLE  # the filter's run-in and run-out belong to other blocks
            self.peak = max(self.peak, float(np.abs(finer[edge:-edge]).max(initial=0.0)))


class Envelope:
    """Power of a signal in windows of one second, every half second, as it streams by."""

    def __init__(self, rate: int) -> None:
        self.half = rate // 2
        self.rest = np.zeros(0, np.float32)
        self.energies: list[float] = []

    def add(self, wave: np.ndarray) -> None:
        """Take the next block (T,)."""
        wave = np.concatenate([self.rest, wave])
        count = len(wave) // self.half
        halves = wave[: count * self.half].reshape(count, self.half)
        self.energies += np.square(halves, dtype=np.float64).sum(axis=1).tolist()
        self.rest = wave[count * self.half :]

    def rms(self) -> np.ndarray:
        """(K,) RMS around 0 s, 0.5 s, 1 s ... ; the end counts as followed by silence."""
        last = float(np.square(self.rest, dtype=np.float64).sum())
        energy = np.array([0.0, *self.energies, last, 0.0])
        power: np.ndarray = (energy[:-1] + energy[1:]) / (2 * self.half)
        rms: np.ndarray = np.sqrt(power)
        return rms


LOUDEST_GAIN = 10 ** (30 / 20)  # of the envelope: nothing is lifted by more


def envelope_gain(rms_in: np.ndarray, rms_out: np.ndarray, keep: float) -> np.ndarray:
    """(K,) gain at every half second that brings the result's envelope to the input's.

    Args:
        keep: 1 leaves the result as it is, 0 gives it the input's envelope.
    """
    count = min(len(rms_in), len(rms_out))
    ratio = rms_in[:count] / np.maximum(rms_out[:count], 1e-6)
    return np.minimum(ratio ** (1 - keep), LOUDEST_GAIN) if keep < 1 else np.ones(count)
