"""Levels that are shown, and levels that are changed without a click."""

from __future__ import annotations

import numpy as np

GLIDE_S = 0.02
LOWEST_DB = -120.0


class Glide:
    """A gain that takes 20 ms from one value to another.

    Args:
        value: to begin with.
        rate: of the sound in Hz.
    """

    def __init__(self, value: float, rate: int) -> None:
        self.value = self.goal = self.origin = value
        self.length = max(1, round(GLIDE_S * rate))

    def to(self, goal: float, at_once: bool = False) -> None:
        """Go to another value from the next sample on."""
        self.origin, self.goal = self.value, goal
        if at_once:
            self.value = self.origin = goal

    @property
    def sounds(self) -> bool:
        """Whether anything is to be heard of the next sound."""
        return self.value != 0 or self.goal != 0

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """The next samples (T,) with the gain."""
        if self.value == self.goal or not len(wave):
            return wave if self.value == 1 else wave * np.float32(self.value)
        step = (self.goal - self.origin) / self.length
        low, high = sorted((self.value, self.goal))
        gain = np.clip(self.value + step * np.arange(1, len(wave) + 1), low, high)
        self.value = self.goal if abs(gain[-1] - self.goal) < 1e-9 else float(gain[-1])
        out: np.ndarray = (wave * gain).astype(np.float32)
        return out


class Level:
    """The level of the newest sound, as a meter shows it.

    Attributes:
        db: RMS in dBFS.
    """

    def __init__(self) -> None:
        self.db = LOWEST_DB

    def add(self, wave: np.ndarray) -> None:
        """The next samples (T,)."""
        if len(wave):
            power = float(np.square(wave, dtype=np.float64).mean())
            self.db = round(max(LOWEST_DB, 10 * np.log10(max(power, 1e-12))), 1)
