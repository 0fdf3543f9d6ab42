"""Likeness and quality of what a training renders, by the optional judges."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from rvc.errors import MissingModel
from rvc.evaluate import judges

log = logging.getLogger(__name__)

LEAST_PEAK = 1e-4  # below this there is nothing to hear


class Ears:
    """Compares renderings with the speaker's own held-out clips. Loads its models when first used.

    Without the packages every answer is None.
    """

    def __init__(self) -> None:
        self.likeness: judges.Likeness | None = None
        self.quality: judges.Quality | None = None
        self.voices: dict[int, np.ndarray] = {}

    def learn(self, real: Sequence[tuple[int, np.ndarray]]) -> None:
        """Remember how the speakers sound, from (speaker, wave (T,) at 16 kHz); once is enough."""
        if self.voices or not real:
            return
        try:
            self.likeness = judges.Likeness()
        except MissingModel as error:
            log.info("Similarity is not measured: %s %s", error.message, error.hint)
            self.voices = dict.fromkeys((speaker for speaker, _ in real), np.zeros(0))
        else:
            for speaker in {speaker for speaker, _ in real}:
                own = [self.likeness(wave) for number, wave in real if number == speaker]
                mean = np.mean(own, axis=0)
                self.voices[speaker] = mean / max(float(np.linalg.norm(mean)), 1e-9)
        try:
            self.quality = judges.Quality()
        except MissingModel as error:
            log.info("DNSMOS is not measured: %s %s", error.message, error.hint)

    def __call__(self, speaker: int, wave_16k: np.ndarray) -> tuple[float | None, float | None]:
        """(cosine with the speaker's voice, DNSMOS 1..5) of a rendering (T,)."""
        if float(np.abs(wave_16k).max(initial=0)) < LEAST_PEAK:
            return None, None
        return (
            float(self.likeness(wave_16k) @ self.voices[speaker]) if self.likeness else None,
            self.quality(wave_16k) if self.quality else None,
        )
