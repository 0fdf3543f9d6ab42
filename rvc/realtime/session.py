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
from rvc.infer import RATE
from rvc.params import Live
from rvc.params.base import complaint
from rvc.realtime import startup
from rvc.realtime.chain import SignalChain
from rvc.realtime.mixer import Tap
from rvc.realtime.ports import Port
from rvc.realtime.schedule import Schedule
from rvc.realtime.startup import MakeEngine
from rvc.realtime.track import Track

LOG = logging.getLogger(__name__)
WAIT_S = 0.02
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
        self.taps: list[Tap] = []
        self.thread: threading.Thread | None = None
        self.wrapped = self.silent = False
        self.chain: SignalChain | None = None

    # ---- for whoever controls it

    def start(self) -> None:
        """Load the voice, see whether this machine keeps up with it, open the port.

        Raises:
            VoiceError: the voice cannot be used, is too slow (`force`), or the port does not open.
        """
        self.state = "starting"
        try:
            engine, costs_ms = startup.prepared(self.live, self.make, self.force)
            schedule = Schedule(self.live, costs_ms)
            chain = SignalChain(self.port, Track(engine), schedule, self.clock, self.taps)
            chain.aim(self.live, self.wrapped, self.silent, at_once=True)
            self.chain = chain  # with it there are figures
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
            if (chain := self.chain) is not None:
                chain.track.engine.set(live)
                if live.timing != self.live.timing or _other_delay(live, self.live):
                    chain.schedule.begin(live, list(chain.schedule.costs_ms))
                    chain.keep_pace()
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
            if (chain := self.chain) is None:
                self.live = live
                return
            old = chain.track.engine
            engine = self.make(live, old.at * (RATE // 100), old.heard)
            engine.follow(old)
            self.live, chain.track = live, Track(engine, chain.track)

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
        if self.chain is not None:
            out |= self.chain.figures() | {"voice": str(self.live.pth_path or "")}
        return out

    # ---- for the port

    def push(self, wave: np.ndarray) -> None:
        if self._begun().push(wave):
            self.enough.set()

    def pull(self, samples: int) -> np.ndarray:
        return self._begun().mixer.main.pull(samples)

    def pull_monitor(self, samples: int) -> np.ndarray:
        second = self._begun().mixer.second
        assert second is not None, "the port has no second output"
        return second.pull(samples)

    def lost(self, message: str) -> None:
        self.state, self.message = ("reconnecting", message) if message else ("running", "")

    # ---- the hops

    def work(self) -> None:
        """Make every hop that is due; where several wait, only the newest."""
        with self.lock:
            self._begun().work()

    @property
    def schedule(self) -> Schedule:
        """How late it is, and why."""
        return self._begun().schedule

    def _begun(self) -> SignalChain:
        assert self.chain is not None, "start the session first"
        return self.chain

    def _aim(self) -> None:
        if self.chain is not None:
            self.chain.aim(self.live, self.wrapped, self.silent)

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
        if self.chain is not None:
            self.chain.track.engine.close()


def _other_delay(one: Live, other: Live) -> bool:
    names = ("head_room_ms", "minimum_delay_ms", "constant_delay")
    return any(getattr(one, name) != getattr(other, name) for name in names)
