"""The pitch that is asked for, made of the pitch that was sung: shifted, moved, drawn to notes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rvc.f0 import contour


@dataclass(frozen=True)
class PitchControl:
    """What is done to a pitch curve. Frames do not depend on one another: any cut will do.

    Attributes:
        semitones: added everywhere.
        autotune: 0..1, how far voiced frames are drawn to the nearest note; 0 leaves them.
        target_hz: the median that the result should have, within an octave; None: any.
    """

    semitones: float = 0.0
    autotune: float = 0.0
    target_hz: float | None = None

    def __call__(self, f0_hz: np.ndarray, median_hz: float = 0.0) -> np.ndarray:
        """(T,) Hz, 0 where unvoiced -> the same with the wanted pitch.

        Args:
            median_hz: of the recording (`contour.median_hz`), or of a stream so far
                (`RunningMedian`); 0 where not known. Only `target_hz` needs it.
        """
        semitones = self.semitones
        if self.target_hz is not None:
            semitones += contour.semitones_to(median_hz, self.target_hz)
        shifted = contour.shift(f0_hz, semitones)
        return contour.autotune(shifted, self.autotune) if self.autotune else shifted


@dataclass
class RunningMedian:
    """The median pitch of a stream so far: what a proposed pitch goes by where no end is known.

    Attributes:
        seconds: of voiced sound that are looked back on.
    """

    seconds: float = 30.0
    voiced: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def add(self, f0_hz: np.ndarray) -> float:
        """Take in the next frames (T,) of 10 ms; returns the median in Hz, 0 while unknown."""
        self.voiced = np.concatenate([self.voiced, f0_hz[f0_hz > 0]])[-round(self.seconds * 100) :]
        return contour.median_hz(self.voiced)
