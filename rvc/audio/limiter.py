"""A look-ahead limiter over a stream: nothing passes the ceiling, nothing is clipped."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal

from rvc.audio.dsp import OVERSAMPLE, TAPS

LOOK_S = 0.004


class Limiter:
    """Turns loud moments down smoothly; all channels by the same gain.

    Args:
        rate: in Hz.
        ceiling: highest true peak that may leave, linear.
    """

    def __init__(self, rate: int, channels: int, ceiling: float) -> None:
        self.ceiling = ceiling * 0.995  # the smoothed gain may leave the oversampled peak a hair
        self.look = round(LOOK_S * rate)
        self.around = 2 * self.look + 2 * TAPS
        self.filter = signal.firwin(2 * TAPS * OVERSAMPLE + 1, 0.97 / OVERSAMPLE) * OVERSAMPLE
        self.held = np.zeros((self.around, channels), np.float32)  # context, already written
        self.fresh = True

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """(T, C) in, the samples that are ready out; `rest` gives those held back."""
        known = np.concatenate([self.held, wave])
        ready = len(known) - 2 * self.around
        if ready <= 0:
            self.held = known
            return known[:0]
        self.held = known[ready:]
        limited: np.ndarray = known * self._gain(known)[:, None]
        return limited[self.around : self.around + ready]

    def rest(self) -> np.ndarray:
        """What is left at the end."""
        left = len(self.held) - self.around
        return self(np.zeros((self.around, self.held.shape[1]), np.float32))[: max(0, left)]

    def _gain(self, wave: np.ndarray) -> np.ndarray:
        finer = np.abs(signal.upfirdn(self.filter, wave, OVERSAMPLE, axis=0))
        finer = finer[TAPS * OVERSAMPLE :][: len(wave) * OVERSAMPLE]
        between = finer.reshape(len(wave), OVERSAMPLE, -1).max(axis=(1, 2))
        peak = np.maximum(between, np.abs(wave).max(axis=1))
        peak = ndimage.maximum_filter1d(peak, 3)
        needed = np.minimum(1.0, self.ceiling / np.maximum(peak, 1e-9))
        lowest = ndimage.minimum_filter1d(needed, 2 * self.look + 1)
        smooth: np.ndarray = ndimage.uniform_filter1d(lowest, 2 * self.look + 1)
        return smooth.astype(np.float32)
