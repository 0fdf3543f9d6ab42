"""Sound at any moments between its samples: change of rate, drift and delay are all this.

A windowed sinc that reaches 1 ms to both sides. soxr's streams, which files go through, hold back
37 ms. Theory: J. O. Smith, "Digital Audio Resampling Home Page", section on bandlimited
interpolation, whose table of filters with linear interpolation between them this is.
"""

from __future__ import annotations

import math

import numpy as np

REACH_S = 1e-3
PHASES = 512  # filters in the table, per sample
KAISER_BETA = 6.0
PASSED = 0.91  # of the lower of both Nyquist frequencies
BATCH = 4096  # samples made at a time


class Resampler:
    """Reads a signal of one rate at moments that lie anywhere.

    Args:
        rate_hz: of the signal.
        other_hz: what it is read for; frequencies that rate cannot hold are filtered out.

    Attributes:
        reach: samples needed on both sides of a moment.
    """

    def __init__(self, rate_hz: int, other_hz: int) -> None:
        self.rate_hz = rate_hz
        self.reach = math.ceil(REACH_S * rate_hz)
        self.same = rate_hz == other_hz
        cutoff = PASSED * min(rate_hz, other_hz) / rate_hz  # of the signal's Nyquist frequency
        phase = np.arange(PHASES + 1)[:, None] / PHASES
        at = np.arange(-self.reach + 1, self.reach + 1)[None] - phase  # (PHASES + 1, 2 * reach)
        inside = np.clip(1 - np.square(at / self.reach), 0, 1)
        taps = cutoff * np.sinc(cutoff * at) * np.i0(KAISER_BETA * np.sqrt(inside))
        taps /= taps.sum(axis=1, keepdims=True)
        self.table = taps[:-1].astype(np.float32)
        self.slope = np.diff(taps, axis=0).astype(np.float32)  # to the next filter

    def __call__(self, wave: np.ndarray, first: int, moments: np.ndarray) -> np.ndarray:
        """The signal at `moments` (N,), in samples of it counted from its own start.

        Args:
            wave: (T,) samples, the first of which is sample `first` of the signal; what lies
                beyond them is silence.
        """
        at = moments - first
        if self.same and len(at) and np.array_equal(at, np.rint(at)):
            return self._picked(wave, at.astype(np.int64))
        padded = np.pad(wave, (self.reach, self.reach + 1))
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.reach)
        parts = [self._interpolated(windows, at[n : n + BATCH]) for n in range(0, len(at), BATCH)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _picked(self, wave: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Between equal rates whose samples coincide there is nothing to filter."""
        out = np.zeros(len(at), np.float32)
        inside = (at >= 0) & (at < len(wave))
        out[inside] = wave[at[inside]]
        return out

    def _interpolated(self, windows: np.ndarray, at: np.ndarray) -> np.ndarray:
        whole = np.floor(at).astype(np.int64)
        phase = (at - whole) * PHASES
        row = phase.astype(np.int64)
        share = (phase - row).astype(np.float32)
        begin = whole + 1
        inside = (begin >= 0) & (begin < len(windows))
        near = windows[np.clip(begin, 0, len(windows) - 1)]
        made: np.ndarray = np.einsum("nt,nt->n", near, self.table[row])
        made = (made + share * np.einsum("nt,nt->n", near, self.slope[row])) * inside
        return made.astype(np.float32)
