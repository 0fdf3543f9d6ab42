"""How fast a transfer is, in words: over the last few seconds, not since the beginning."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 5.0


class Speed:
    """Bytes per second over the last few seconds."""

    def __init__(self, start: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.seen = deque([(clock(), start)])

    def words(self, done: int, total: int | None) -> str:
        """Such as "4.2 MB/s, 31 s left"."""
        now = self.clock()
        self.seen.append((now, done))
        while len(self.seen) > 2 and now - self.seen[0][0] > WINDOW_S:
            self.seen.popleft()
        then, before = self.seen[0]
        speed = (done - before) / max(now - then, 1e-3)
        left = f", {(total - done) / speed:.0f} s left" if total and speed > 0 else ""
        return f"{speed / 1e6:.1f} MB/s{left}"
