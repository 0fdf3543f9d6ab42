"""Pieces of sound laid on a time line of fixed length: overlaps are added, gaps stay silent."""

from __future__ import annotations

import numpy as np

from rvc.audio.spool import BLOCK, Spool


class Timeline:
    """Collects overlapping pieces, in order, into a spool of exactly `length` samples."""

    def __init__(self, spool: Spool, length: int) -> None:
        self.spool, self.length = spool, length
        self.tail = np.zeros(0, np.float32)  # begins where the spool ends

    def add(self, at: int, wave: np.ndarray) -> None:
        """Add samples (T,) from position `at`, which never lies before that of an earlier piece.

        What falls outside [0, length) is dropped.
        """
        if at < 0:
            at, wave = 0, wave[-at:]
        wave = wave[: max(0, self.length - at)]
        if not len(wave):
            return
        self._advance(at)
        short = at - self.spool.length + len(wave) - len(self.tail)
        if short > 0:
            self.tail = np.concatenate([self.tail, np.zeros(short, np.float32)])
        begin = at - self.spool.length
        self.tail[begin : begin + len(wave)] += wave

    def _advance(self, to: int) -> None:
        """Write everything before position `to`."""
        ready = min(max(0, to - self.spool.length), len(self.tail))
        self.spool.append(self.tail[:ready])
        self.tail = self.tail[ready:]
        if not len(self.tail):
            while (gap := to - self.spool.length) > 0:
                self.spool.append(np.zeros(min(gap, BLOCK), np.float32))

    def finish(self) -> Spool:
        """The whole line."""
        self._advance(self.length)
        return self.spool
