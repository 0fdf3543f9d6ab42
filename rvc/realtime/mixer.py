"""What is played: the voice and what was heard, each at its level, on every output of a port."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rvc.infer import RATE
from rvc.params import Live
from rvc.realtime.levels import Glide, Level
from rvc.realtime.outlet import Outlet
from rvc.realtime.ports import Port
from rvc.realtime.rings import Ring
from rvc.realtime.sampling import Resampler

Tap = Callable[[np.ndarray, np.ndarray], None]


class OutputMixer:
    """The outputs of a port and the levels of what goes there.

    Args:
        port: tells the rates, and whether there is a second output.
        heard: what was heard, at the port's rate.
        delay_s: from a sample heard to its moment on the outputs.

    Attributes:
        main, second: the output, and that of the monitor where there is one. level: of the main.
    """

    def __init__(self, port: Port, heard: Ring, delay_s: float) -> None:
        self.rate_in, self.heard = port.rate_in, heard
        self.main = Outlet(port.rate_out, delay_s, port.one_clock)
        self.second = (
            Outlet(port.rate_monitor, delay_s, port.one_clock) if port.rate_monitor else None
        )
        self.outlets = [o for o in (self.main, self.second) if o is not None]
        self.raw = {o.rate: Resampler(port.rate_in, o.rate) for o in self.outlets}
        self.glides = {
            o: {name: Glide(0.0, o.rate) for name in ("voice", "raw")} for o in self.outlets
        }
        self.level = Level()

    def aim(self, live: Live, bypass: bool, mute: bool, at_once: bool = False) -> None:
        """Where the levels of what is mixed go to."""
        main, gain = self.glides[self.main], 0.0 if mute else live.output_gain / 100
        main["voice"].to(0.0 if bypass else gain, at_once)
        main["raw"].to(float(bypass and not mute), at_once)
        if self.second is not None:
            level, what = live.monitor_gain / 100, live.monitor
            mine = self.glides[self.second]
            mine["voice"].to(level * (what in ("converted", "both")), at_once)
            mine["raw"].to(level * (what in ("input", "both")), at_once)

    def add(
        self, outlet: Outlet, moments: np.ndarray, voice: np.ndarray, taps: Sequence[Tap]
    ) -> None:
        """Put the voice and what was heard at `moments` into an output.

        Args:
            moments: (T,) at 16 kHz. voice: (T,) at the output's rate.
            taps: called with (what was heard, what is played) on the main output.
        """
        at = moments * (self.rate_in / RATE)
        sampler, glides = self.raw[outlet.rate], self.glides[outlet]
        recorded = taps if outlet is self.main else ()
        raw = np.zeros_like(voice)
        if len(at) and (glides["raw"].sounds or recorded):
            first = int(at[0]) - sampler.reach
            held = self.heard.read(first, int(at[-1]) + sampler.reach + 2)
            raw = sampler(held, first, at)
        mixed = np.clip(glides["voice"](voice) + glides["raw"](raw), -1, 1)
        outlet.add(mixed)
        if outlet is self.main:
            self.level.add(mixed)
        for tap in recorded:
            tap(raw, mixed)
