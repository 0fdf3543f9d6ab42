"""Which clips make up which step: every clip in every epoch, alike lengths together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BUCKET_FRAMES = 100


class Sampler:
    """Batches of an epoch, a pure function of (seed, epoch), so a position is a plain number.

    Clips of alike length share a batch; the last batch is filled up with clips of the same
    epoch, so that all batches, on all ranks, are equally large and none is left out.

    Args:
        lengths: frames per clip. speakers: speaker of each clip.
        batch: clips per step over all ranks.
        balance: repeat the clips of speakers who have fewer until all are heard equally often.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        speakers: Sequence[int],
        batch: int,
        seed: int,
        balance: bool = True,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.speakers = np.asarray(speakers)
        self.batch, self.seed, self.balance = batch, seed, balance

    @property
    def drawn(self) -> int:
        """Clips drawn per epoch, repetitions for balance counted, filling not."""
        counts = np.unique(self.speakers, return_counts=True)[1]
        return int(counts.max() * len(counts)) if self.balance else len(self.lengths)

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-self.drawn // self.batch)

    def batches(self, epoch: int) -> list[list[int]]:
        """The steps of an epoch: indices of the clips of each."""
        rng = np.random.default_rng((self.seed, epoch))
        order = self._draw(rng)
        missing = len(self) * self.batch - len(order)
        if missing:
            order = np.concatenate([order, np.resize(rng.permutation(order), missing)])
        order = order[np.argsort(self.lengths[order] // BUCKET_FRAMES, kind="stable")]
        rows = order.reshape(-1, self.batch)
        return [row.tolist() for row in rows[rng.permutation(len(rows))]]

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        everything = rng.permutation(len(self.lengths))
        if not self.balance:
            return everything
        groups = [everything[self.speakers[everything] == s] for s in np.unique(self.speakers)]
        most = max(len(group) for group in groups)
        return rng.permutation(np.concatenate([np.resize(group, most) for group in groups]))
