"""A live session: keeps time between a port and an engine, and is as late as it says.

    session = Session(Live(pth_path="voice.pth"), port)
    session.start()            # loads, measures, opens the port
    session.set(pitch=3)       # from the next block on
    session.voice(Path("other.pth"))   # the old voice goes on until the other one is ready
    session.figures()          # state, delay, levels, lateness: JSON-ready
    session.stop()

A port pushes what is heard and pulls what is to be played (`rvc.realtime.ports`); both only copy.
One thread makes the hops. Positions, not queues, decide what is played when (`outlet`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rvc.errors import BadInput, VoiceError
from rvc.infer.segment import RATE
from rvc.params import Live
from rvc.params.base import complaint
from rvc.realtime import startup
from rvc.realtime.levels import Glide, Level
from rvc.realtime.outlet import Outlet
from rvc.realtime.ports import Port
from rvc.realtime.rings import Ring
from rvc.realtime.sampling import Sampler
from rvc.realtime.schedule import Schedule
from rvc.realtime.startup import MakeEngine
from rvc.realtime.track import Track

LOG = logging.getLogger(__name__)
HELD_S = 4
WAIT_S = 0.02
FADE_S = 0.02
HEARD_FIRST = ("pth_path", "index_path", "embedder_model", "embedder_model_custom", "gpu", "seed")


class Session:
    """One conversation with a port.

    Args:
        live: settings; `pth_path` must be given.
        port: where sound comes from and goes to.
        make: loads a voice and makes its engine (`startup.engine`).
        clock: monotonic seconds.
        threaded: False where whoever pushes also calls `work`: a file that is in no hurry.
        force: start although the machine is too slow.

    Attributes:
        state: stopped, starting, running, reconnecting or error.
        message: what is to be said about the state.
        taps: called with (input, output) of every hop at the output's rate, such as a recorder.
    """

    def __init__(
        self,
        live: Live,
        port: Port,
        make: MakeEngine = startup.engine,
        clock: Callable[[], float] = time.perf_counter,
        threaded: bool = True,
        force: bool = False,
    ) -> None:
        self.live, self.port, self.make, self.clock = live, port, make, clock
        self.threaded, self.force = threaded, force
        self.state, self.message = "stopped", ""
        self.lock = threading.RLock()  # held for a hop, and for changes between hops
        self.enough, self.ending = threading.Event(), threading.Event()
        self.taps: list[Callable[[np.ndarray, np.ndarray], None]] = []
        self.thread: threading.Thread | None = None
        self.wrapped = self.silent = False
        self.track: Track | None = None
        self.chunk_s = 0.0  # most that is pushed at a time

    # ---- for whoever controls it

    def start(self) -> None:
        """Load the voice, see whether this machine keeps up with it, open the port.

        Raises:
            VoiceError: the voice cannot be used, is too slow (`force`), or the port does not open.
        """
        self.state = "starting"
        try:
            engine, costs_ms = startup.prepared(self.live, self.make, self.force)
            self._lay_out(Track(engine), Schedule(self.live, costs_ms))
            self.ending.clear()
            if self.threaded:
                self.thread = threading.Thread(target=self._run, name="hop", daemon=True)
                self.thread.start()
            self.state = "running"
            self.port.start(self)
        except BaseException as error:
            self._end()
            self.state, self.message = "error", str(error)
            raise

    def stop(self) -> None:
        """Close the port and end; the figures stay."""
        self.port.stop()
        self._end()
        if self.state != "error":
            self.state = "stopped"

    def set(self, **changes: Any) -> None:
        """Change settings from the next hop on.

        Raises:
            BadInput: a value is out of range, or cannot be changed while it runs; nothing changes.
        """
        from pydantic import ValidationError

        if fixed := [name for name in changes if name in HEARD_FIRST]:
            raise BadInput(f"--{fixed[0]} is not changed while you are live.", "Load a voice.")
        try:
            live = type(self.live)(**{**self.live.model_dump(exclude_unset=True), **changes})
        except ValidationError as error:
            raise BadInput(complaint(error.errors()), "Choose another value.") from None
        with self.lock:
            if self.track is not None:
                self.track.engine.set(live)
                if live.timing != self.live.timing or _other_delay(live, self.live):
                    self.schedule.begin(live, list(self.schedule.costs_ms))
                    self._keep_pace()
            self.live = live
            self._aim()

    def voice(self, pth_path: Path, index_path: Path | None = None, **changes: Any) -> None:
        """Go over to another voice; waits until it is loaded, while the old one goes on.

        Raises:
            VoiceError: it cannot be used; the old one goes on.
        """
        values = {**self.live.model_dump(exclude_unset=True), **changes}
        live = type(self.live)(**values | {"pth_path": pth_path, "index_path": index_path})
        startup.prepared(live, self.make, force=True, hops=2)  # loaded and warm before it counts
        with self.lock:
            if self.track is None:
                self.live = live
                return
            old = self.track.engine
            engine = self.make(live, old.at * (RATE // 100), old.heard)
            engine.follow(old)
            self.live, self.track = live, Track(engine, self.track)

    def bypass(self, on: bool) -> None:
        """Play what is heard, at the same delay."""
        self.wrapped = on
        self._aim()

    def mute(self, on: bool) -> None:
        """Play nothing."""
        self.silent = on
        self._aim()

    def figures(self) -> dict[str, Any]:
        """All there is to say, JSON-ready."""
        out: dict[str, Any] = {"state": self.state, "message": self.message}
        out |= {"bypass": self.wrapped, "mute": self.silent, "port": self.port.figures()}
        if self.track is None:
            return out
        rate = self.port.rate_out
        out |= self.schedule.figures()
        out |= {
            "voice": str(self.live.pth_path or ""),
            "seconds": round(self.heard_in.end / self.port.rate_in, 3),
            "level_in_db": self.level_in.db,
            "level_out_db": self.level_out.db,
            "speaking": bool(self.track.engine.gate.left),
            "gaps": self.outlet.gaps,
            "jumps": self.outlet.jumps,
            "missing_ms": round(1000 * self.outlet.missing / rate, 1),
            "dropped_ms": round(1000 * self.dropped / RATE, 1),
            "drift_ppm": round(self.outlet.drift.ppm, 1) if self.outlet.drift else 0.0,
            "hops": self.hops,
            "hops_made": self.track.engine.made,
        }
        return out

    # ---- for the port

    def push(self, wave: np.ndarray) -> None:
        self.heard_in.write(wave)
        self.chunk_s = max(self.chunk_s, len(wave) / self.port.rate_in)
        for outlet in self.outlets:
            outlet.armed = True
        if self.heard_in.end >= self.wanted_in:
            self.enough.set()

    def pull(self, samples: int) -> np.ndarray:
        return self.outlet.pull(samples)

    def pull_monitor(self, samples: int) -> np.ndarray:
        assert self.second is not None, "the port has no second output"
        return self.second.pull(samples)

    def lost(self, message: str) -> None:
        self.state, self.message = ("reconnecting", message) if message else ("running", "")

    # ---- the hops

    def work(self) -> None:
        """Make every hop that is due; where several wait, only the newest."""
        with self.lock:
            self._hear()
            track = self._track()
            while (waits := track.engine.heard.end - track.engine.due) >= 0:
                behind = waits // (track.engine.block * (RATE // 100)) if self.port.live else 0
                if behind:
                    self._skip(behind)
                else:
                    self._hop()
                self._keep_pace()
                self._hear()
            self.wanted_in = (track.engine.due + RATE // 500) * self.port.rate_in / RATE

    def _lay_out(self, track: Track, schedule: Schedule) -> None:
        port, delay_s = self.port, schedule.pace.delay / 1000
        self.schedule = schedule
        self.outlet = Outlet(port.rate_out, delay_s, port.one_clock)
        self.second = (
            Outlet(port.rate_monitor, delay_s, port.one_clock) if port.rate_monitor else None
        )
        self.outlets = [o for o in (self.outlet, self.second) if o is not None]
        self.heard_in = Ring(HELD_S * port.rate_in)
        self.to_16k = Sampler(port.rate_in, RATE)
        self.raw = {o.rate: Sampler(port.rate_in, o.rate) for o in self.outlets}
        self.level_in, self.level_out = Level(), Level()
        self.hops = self.dropped = 0
        self.wanted_in = 0.0
        self.gain_in = Glide(1.0, RATE)
        self.glides = {
            o: {name: Glide(0.0, o.rate) for name in ("voice", "raw")} for o in self.outlets
        }
        self.track = track  # last: with it there are figures
        self._keep_pace()
        self._aim(at_once=True)

    def _aim(self, at_once: bool = False) -> None:
        """Where the levels of what is mixed go to."""
        if self.track is None:
            return
        live = self.live
        self.gain_in.to(live.input_gain / 100, at_once)
        sounds = 0.0 if self.silent else live.output_gain / 100
        main = self.glides[self.outlet]
        main["voice"].to(0.0 if self.wrapped else sounds, at_once)
        main["raw"].to(float(self.wrapped and not self.silent), at_once)
        if self.second is not None:
            level, what = live.monitor_gain / 100, live.monitor
            mine = self.glides[self.second]
            mine["voice"].to(level * (what in ("converted", "both")), at_once)
            mine["raw"].to(level * (what in ("input", "both")), at_once)

    def _track(self) -> Track:
        assert self.track is not None, "start the session first"
        return self.track

    def _hear(self) -> None:
        """Take in what was pushed, at 16 kHz."""
        heard, rate = self._track().engine.heard, self.port.rate_in
        reach = 0 if self.to_16k.same else self.to_16k.reach
        end = int((self.heard_in.end - 1 - reach) * RATE // rate) + 1
        if end <= heard.end:
            return
        moments = np.arange(heard.end, end) * (rate / RATE)
        first, last = int(moments[0]) - reach, int(moments[-1]) + reach + 2
        self.dropped += max(
            0, round((self.heard_in.end - self.heard_in.size - first) * RATE / rate)
        )
        wave = self.gain_in(self.to_16k(self.heard_in.read(first, last), first, moments))
        self.level_in.add(wave)
        heard.write(wave)

    def _hop(self) -> None:
        began, track = self.clock(), self._track()
        track.hop()
        late = False
        for outlet in self.outlets:
            moments = outlet.moments(track.until_16k)
            late |= outlet.armed and outlet.pulled > outlet.ring.end
            self._mix(outlet, moments, track.at(moments, outlet.rate))
        track.before = None
        self.hops += 1
        now = self.clock()
        self.schedule.note(1000 * (now - began))
        if late:
            self.schedule.was_late(now)
        for outlet in self.outlets:
            if self.port.live:
                pushed_s = self.heard_in.end / self.port.rate_in
                outlet.follow(pushed_s, track.engine.timing.block / 1000, self.chunk_s)
        self.schedule.look_back(now)

    def _mix(self, outlet: Outlet, moments: np.ndarray, voice: np.ndarray) -> None:
        rate_in, reach = self.port.rate_in, self.raw[outlet.rate].reach
        at = moments * (rate_in / RATE)
        glides = self.glides[outlet]
        first = int(at[0]) - reach if len(at) else 0
        raw = np.zeros_like(voice)
        recorded = outlet is self.outlet and self.taps
        if len(at) and (glides["raw"].sounds or recorded):
            held = self.heard_in.read(first, int(at[-1]) + reach + 2)
            raw = self.raw[outlet.rate](held, first, at)
        mixed = np.clip(glides["voice"](voice) + glides["raw"](raw), -1, 1)
        outlet.add(mixed)
        if outlet is self.outlet:
            self.level_out.add(mixed)
            for tap in self.taps:
                tap(raw, mixed)

    def _skip(self, hops: int) -> None:
        """Leave out what is too old to be played."""
        track = self._track()
        for _ in range(hops):
            track.hop(skip=True)
        self.hops += hops
        self.schedule.skipped_ms += hops * track.engine.timing.block
        for outlet in self.outlets:
            outlet.interrupt()
            moments = outlet.moments(track.until_16k)
            self._mix(outlet, moments, np.zeros(len(moments), np.float32))
        self.schedule.was_late(self.clock())

    def _keep_pace(self) -> None:
        """Bring engine and outputs to the schedule's block and delay."""
        pace, engine = self.schedule.pace, self._track().engine
        engine.pace(pace.block)
        for outlet in self.outlets:
            outlet.delay_to(pace.delay / 1000)

    def _run(self) -> None:
        try:
            while not self.ending.is_set():
                self.enough.wait(WAIT_S)
                self.enough.clear()
                if not self.ending.is_set():
                    self.work()
        except Exception as error:  # noqa: BLE001 - told by state; the output goes silent
            LOG.exception("The session ended")
            said = error.message if isinstance(error, VoiceError) else f"{error}"
            self.state, self.message = "error", said

    def _end(self) -> None:
        self.ending.set()
        self.enough.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()
        self.thread = None
        if self.track is not None:
            self.track.engine.close()


def _other_delay(one: Live, other: Live) -> bool:
    names = ("head_room_ms", "minimum_delay_ms", "constant_delay")
    return any(getattr(one, name) != getattr(other, name) for name in names)
