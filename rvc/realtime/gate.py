"""Silence where nobody speaks: exact zeros, no work, no lost beginnings, no cut-off endings."""

from __future__ import annotations

from collections import deque

import numpy as np

from rvc.infer import levels

FRAME_RATE = 100
CLOSES_DB = 6.0  # below the threshold
HOLD = 20  # frames of 10 ms that it stays open after the last sound
OPENING, CLOSING = 0.5, 3.0  # frames that the gain takes to rise and fall
LOOKED_BACK = 1000  # frames of which the floor is told
FLOOR_PERCENT, ABOVE_FLOOR_DB = 10.0, 8.0
LOWEST_DB, HIGHEST_DB = -90.0, -20.0


class Gate:
    """Decides on levels of 10 ms where it sounds.

    What it lets through begins as early as one looks ahead (`gain`), so words keep their beginning;
    after the last sound it holds for 200 ms and falls within 30 ms.

    Attributes:
        threshold_db: it opens at; None finds it: a little above the noise of the last 10 s.
    """

    def __init__(self, threshold_db: float | None) -> None:
        self.threshold_db = threshold_db
        self.recent: deque[float] = deque(maxlen=LOOKED_BACK)
        self.left, self.level = 0, 0.0  # frames to stay open; gain at the end of what was made

    @property
    def opens_db(self) -> float:
        """The threshold now."""
        if self.threshold_db is not None:
            return self.threshold_db
        if not self.recent:
            return HIGHEST_DB - 30
        floor = float(np.percentile(np.array(self.recent), FLOOR_PERCENT))
        return float(np.clip(floor + ABOVE_FLOOR_DB, LOWEST_DB, HIGHEST_DB))

    def open(self, wave_16k: np.ndarray) -> np.ndarray:
        """The next sound (T * 160,) -> (T,) bool: it sounds, or has just sounded."""
        measured, opens_db = levels(wave_16k), self.opens_db
        self.recent.extend(measured.tolist())
        out = np.zeros(len(measured), bool)
        for at, level in enumerate(measured):
            sounds = level >= opens_db or (self.left > 0 and level >= opens_db - CLOSES_DB)
            self.left = HOLD if sounds and level > -120.0 else max(0, self.left - 1)
            out[at] = self.left > 0
        return out

    def gain(self, wanted: np.ndarray, hop: int) -> np.ndarray:
        """(T,) bool -> (T * hop,) gain of the next T frames, gliding on from the last ones."""
        out = np.empty((len(wanted), hop), np.float32)
        step = np.arange(1, hop + 1) / hop
        for at, is_open in enumerate(wanted):
            change = step / OPENING if is_open else -step / CLOSING
            out[at] = np.clip(self.level + change, 0.0, 1.0)
            self.level = float(out[at, -1])
            if self.level < 1e-6:
                self.level = 0.0
        return out.reshape(-1)
