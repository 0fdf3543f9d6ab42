"""A voice at work: its engine, and its sound at the moments that outputs ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rvc.infer import FRAME, RATE
from rvc.realtime.sampling import Resampler

if TYPE_CHECKING:
    from rvc.realtime.engine import Engine

KEPT_S = 0.005  # of the hop before, for moments that still lay in it
JOIN_S = 0.008  # in which one voice goes over into another


class Track:
    """Keeps the last hop of an engine, so that outputs of any rate can read it.

    Attributes:
        before: the voice that this one takes over from, until its first hop is made.
    """

    def __init__(self, engine: Engine, before: Track | None = None) -> None:
        self.engine, self.before = engine, before
        self.rate = engine.voice.rate
        self.sound = np.zeros(0, np.float32)
        self.first = self.begin = engine.at * engine.voice.hop
        self.samplers: dict[int, Resampler] = {}

    def hop(self, skip: bool = False) -> None:
        """Let the engine make its next block."""
        made = self.engine.skip() if skip else self.engine.hop()
        kept = self.sound[-round(KEPT_S * self.rate) :] if len(self.sound) else self.sound
        end = self.engine.at * self.engine.voice.hop
        self.sound = np.concatenate([kept, made])
        self.first = end - len(self.sound)

    def at(self, moments_16k: np.ndarray, rate: int, tail: bool = False) -> np.ndarray:
        """The sound at moments (N,), in samples at 16 kHz, for an output of `rate`."""
        sampler = self.samplers.setdefault(rate, Resampler(self.rate, rate))
        sound = np.concatenate([self.sound, self.engine.tail]) if tail else self.sound
        made = sampler(sound, self.first, moments_16k * (self.rate / RATE))
        if self.before is None:
            return made
        old = self.before.at(moments_16k, rate, tail=True)
        begin_s = self.begin / self.rate
        share = np.clip((moments_16k / RATE - begin_s) / JOIN_S, 0, 1).astype(np.float32)
        joined: np.ndarray = old + share * (made - old)
        return joined

    @property
    def until_16k(self) -> int:
        """Up to where outputs may read."""
        return self.engine.at * FRAME - round(1e-3 * RATE)
