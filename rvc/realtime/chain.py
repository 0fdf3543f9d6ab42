"""The signal chain of a session: intake, engine and mixer, hop by hop, at the schedule's pace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rvc.infer import RATE
from rvc.params import Live
from rvc.realtime.intake import Intake
from rvc.realtime.mixer import OutputMixer, Tap
from rvc.realtime.ports import Port
from rvc.realtime.schedule import Schedule
from rvc.realtime.track import Track


class SignalChain:
    """What lies between what a port pushes and what it pulls.

    Args:
        clock: monotonic seconds.
        taps: called with (input, output) of every hop at the output's rate, such as a recorder;
            whoever made the list adds to it and takes away.

    Attributes:
        wanted: samples of the intake with which the next hop is due.
    """

    def __init__(
        self,
        port: Port,
        track: Track,
        schedule: Schedule,
        clock: Callable[[], float],
        taps: list[Tap],
    ) -> None:
        self.port, self.track, self.schedule, self.clock = port, track, schedule, clock
        self.intake = Intake(port.rate_in)
        self.mixer = OutputMixer(port, self.intake.held, schedule.pace.delay / 1000)
        self.taps = taps
        self.hops, self.wanted = 0, 0.0
        self.keep_pace()

    def push(self, wave: np.ndarray) -> bool:
        """Take (T,) at the port's rate; whether a hop is due now."""
        self.intake.push(wave)
        for outlet in self.mixer.outlets:
            outlet.armed = True
        return self.intake.held.end >= self.wanted

    def work(self) -> None:
        """Make every hop that is due; where several wait, only the newest."""
        track = self.track
        self.intake.give(track.engine.heard)
        while (waits := track.engine.heard.end - track.engine.due) >= 0:
            behind = waits // (track.engine.block * (RATE // 100)) if self.port.live else 0
            if behind:
                self._skip(behind)
            else:
                self._hop()
            self.keep_pace()
            self.intake.give(track.engine.heard)
        self.wanted = (track.engine.due + RATE // 500) * self.port.rate_in / RATE

    def aim(self, live: Live, bypass: bool, mute: bool, at_once: bool = False) -> None:
        """Where the levels of what is heard and played go to."""
        self.intake.gain.to(live.input_gain / 100, at_once)
        self.mixer.aim(live, bypass, mute, at_once)

    def keep_pace(self) -> None:
        """Bring engine and outputs to the schedule's block and delay."""
        pace = self.schedule.pace
        self.track.engine.pace(pace.block)
        for outlet in self.mixer.outlets:
            outlet.delay_to(pace.delay / 1000)

    def figures(self) -> dict[str, Any]:
        """All there is to say of the sound, JSON-ready."""
        intake, main, engine = self.intake, self.mixer.main, self.track.engine
        return self.schedule.figures() | {
            "seconds": round(intake.seconds, 3),
            "level_in_db": intake.level.db,
            "level_out_db": self.mixer.level.db,
            "speaking": bool(engine.gate.left),
            "gaps": main.gaps,
            "jumps": main.jumps,
            "missing_ms": round(1000 * main.missing / main.rate, 1),
            "dropped_ms": round(1000 * intake.dropped / RATE, 1),
            "drift_ppm": round(main.drift.ppm, 1) if main.drift else 0.0,
            "hops": self.hops,
            "hops_made": engine.made,
        }

    def _hop(self) -> None:
        began, track = self.clock(), self.track
        track.hop()
        late = False
        for outlet in self.mixer.outlets:
            moments = outlet.moments(track.until_16k)
            late |= outlet.armed and outlet.pulled > outlet.ring.end
            self.mixer.add(outlet, moments, track.at(moments, outlet.rate), tuple(self.taps))
        track.before = None
        self.hops += 1
        now = self.clock()
        self.schedule.note(1000 * (now - began))
        if late:
            self.schedule.was_late(now)
        for outlet in self.mixer.outlets if self.port.live else ():
            block_s, intake = track.engine.timing.block / 1000, self.intake
            outlet.follow(intake.seconds, block_s, intake.chunk_s)
        self.schedule.look_back(now)

    def _skip(self, hops: int) -> None:
        """Leave out what is too old to be played."""
        for _ in range(hops):
            self.track.hop(skip=True)
        self.hops += hops
        self.schedule.skipped_ms += hops * self.track.engine.timing.block
        for outlet in self.mixer.outlets:
            outlet.interrupt()
            moments = outlet.moments(self.track.until_16k)
            silence = np.zeros(len(moments), np.float32)
            self.mixer.add(outlet, moments, silence, tuple(self.taps))
        self.schedule.was_late(self.clock())
