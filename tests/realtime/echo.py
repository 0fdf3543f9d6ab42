"""An engine that says what it hears, so that delay and loss can be seen."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from rvc.params import Live
from rvc.realtime.rings import Ring

RATE = 16_000


class Echo:
    """Stands in for an engine: what it hears is its voice, so that delay and loss can be seen."""

    def __init__(self, live: Live, start: int = 0, heard: Ring | None = None) -> None:
        self.live, self.timing = live, live.timing
        self.at, self.heard = start // 160, heard or Ring(4 * RATE, start)
        self.voice: Any = SimpleNamespace(rate=RATE, hop=160)
        self.gate: Any = SimpleNamespace(left=0)
        self.tail = np.zeros(0, np.float32)
        self.made = 0

    @property
    def block(self) -> int:
        return self.timing.block // 10

    @property
    def due(self) -> int:
        return (self.at + self.block + self.timing.look_ahead // 10) * 160

    def set(self, live: Live) -> None:
        self.live, self.timing = live, live.timing

    def pace(self, block_ms: int) -> None:
        self.timing = replace(self.timing, block=block_ms)

    def follow(self, other: Echo) -> None:
        self.pace(other.timing.block)

    def skip(self) -> np.ndarray:
        self.at += self.block
        return np.zeros(self.block * 160, np.float32)

    def hop(self) -> np.ndarray:
        begin, self.at = self.at * 160, self.at + self.block
        self.made += 1
        self.tail = self.heard.read(self.at * 160, self.at * 160 + 160)
        return self.heard.read(begin, self.at * 160)

    def close(self) -> None:
        """Nothing is open."""
