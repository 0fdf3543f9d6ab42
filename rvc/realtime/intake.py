"""What is heard: kept at the port's rate, and brought to 16 kHz for the engine."""

from __future__ import annotations

import numpy as np

from rvc.infer import RATE
from rvc.realtime.levels import Glide, Level
from rvc.realtime.rings import Ring
from rvc.realtime.sampling import Resampler

HELD_S = 4


class Intake:
    """The input of a port.

    Args:
        rate: of what is pushed, in Hz.

    Attributes:
        held: the last seconds as they came. gain: of what the engine hears. level: of the same.
        chunk_s: most that was pushed at once. dropped: samples at 16 kHz that nobody took in time.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.held = Ring(HELD_S * rate)
        self.to_16k = Resampler(rate, RATE)
        self.gain, self.level = Glide(1.0, RATE), Level()
        self.chunk_s, self.dropped = 0.0, 0

    @property
    def seconds(self) -> float:
        """How much was heard so far."""
        return self.held.end / self.rate

    def push(self, wave: np.ndarray) -> None:
        self.held.write(wave)
        self.chunk_s = max(self.chunk_s, len(wave) / self.rate)

    def give(self, heard: Ring) -> None:
        """Bring all that was pushed to where the engine hears it."""
        reach = 0 if self.to_16k.same else self.to_16k.reach
        end = int((self.held.end - 1 - reach) * RATE // self.rate) + 1
        if end <= heard.end:
            return
        moments = np.arange(heard.end, end) * (self.rate / RATE)
        first, last = int(moments[0]) - reach, int(moments[-1]) + reach + 2
        lost = self.held.end - self.held.size - first
        self.dropped += max(0, round(lost * RATE / self.rate))
        wave = self.gain(self.to_16k(self.held.read(first, last), first, moments))
        self.level.add(wave)
        heard.write(wave)
