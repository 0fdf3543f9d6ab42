"""Networks that hear a song as sound: chunk by chunk, overlapping, crossfaded, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

CHUNK = 352_800  # samples: 8 s at 44.1 kHz, what the published RoFormers were trained on
OVERLAP = 2  # chunks that hear each sample

Stem = Callable[[np.ndarray], np.ndarray]  # (2, CHUNK) -> (2, CHUNK) of the stem


class Chunks:
    """One stem of a song at 44.1 kHz while it streams by.

    Each chunk fades in and out; what several of them say of a sample is averaged by these weights.
    Where a chunk lies depends on nothing but the song's first sample.
    """

    def __init__(self, stem: Stem, chunk: int = CHUNK, overlap: int = OVERLAP) -> None:
        self.stem, self.chunk, self.step = stem, chunk, chunk // overlap
        ramp = np.minimum(np.arange(chunk) + 1, np.arange(chunk, 0, -1))
        self.fade = (ramp / ramp.max()).astype(np.float32)
        lead = chunk - self.step  # silence before the song: its first samples are heard as often
        self.kept = np.zeros((2, lead), np.float32)
        self.sum = np.zeros((2, chunk), np.float32)
        self.weight = np.zeros(chunk, np.float32)
        self.unheard = lead
        self.taken = self.given = 0

    def voice(self, song: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The stem of blocks (T, 2) of any length; as many samples come out in all."""
        for block in song:
            self.taken += len(block)
            self.kept = np.concatenate([self.kept, block.T.astype(np.float32)], axis=1)
            while self.kept.shape[1] >= self.chunk:
                yield self._next()
        while self.given < self.taken:
            missing = max(0, self.chunk - self.kept.shape[1])
            self.kept = np.pad(self.kept, ((0, 0), (0, missing)))
            yield self._next()

    def _next(self) -> np.ndarray:
        """The samples that no later chunk hears."""
        self.sum += self.stem(self.kept[:, : self.chunk]) * self.fade
        self.weight += self.fade
        ready = (self.sum[:, : self.step] / self.weight[: self.step]).T
        self.sum = np.pad(self.sum[:, self.step :], ((0, 0), (0, self.step)))
        self.weight = np.pad(self.weight[self.step :], (0, self.step))
        self.kept = self.kept[:, self.step :]
        out = ready[min(self.unheard, len(ready)) :][: self.taken - self.given]
        self.unheard = max(0, self.unheard - len(ready))
        self.given += len(out)
        return out
