"""Where sound comes from and goes to. Devices, a browser, a file and a fake are all ports."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

OUT_HZ = 48_000  # of what is heard of a file


class PortCalls(Protocol):
    """What a session offers its port. Calls only copy and count; any thread may make them."""

    def push(self, wave: np.ndarray) -> None:
        """The next sound that was heard: float32 (T,), any T, at the port's `rate_in`."""

    def pull(self, samples: int) -> np.ndarray:
        """The next (samples,) to play at `rate_out`; silence where there is none in time."""

    def pull_monitor(self, samples: int) -> np.ndarray:
        """The same for the second output, at `rate_monitor`."""

    def lost(self, message: str) -> None:
        """A device is gone (a sentence that says which), or back (an empty one)."""


class Port(Protocol):
    """A pair of ears and a mouth.

    Attributes:
        rate_in, rate_out, rate_monitor: in Hz; the last is 0 where there is no second output.
        one_clock: input and output count time alike, so no drift has to be made up for.
        live: time passes by itself; what comes too late is left out. A file can wait.
    """

    rate_in: int
    rate_out: int
    rate_monitor: int
    one_clock: bool
    live: bool

    def start(self, link: PortCalls) -> None:
        """Begin to push and pull.

        Raises:
            VoiceError: it cannot be opened; nothing stays open then.
        """

    def stop(self) -> None:
        """End; afterwards nothing is pushed or pulled any more."""

    def figures(self) -> dict[str, Any]:
        """What there is to say of it, JSON-ready."""


class Passive:
    """A port that somebody else drives: a browser's socket, a test. Push and pull through `link`.

    Args:
        rate_in, rate_out: in Hz.
    """

    one_clock, live, rate_monitor = True, True, 0

    def __init__(self, rate_in: int, rate_out: int | None = None) -> None:
        self.rate_in, self.rate_out = rate_in, rate_out or rate_in
        self.link: PortCalls | None = None

    def start(self, link: PortCalls) -> None:
        self.link = link

    def stop(self) -> None:
        self.link = None

    def figures(self) -> dict[str, Any]:
        return {"port": "passive"}


class FilePort(Passive):
    """A recording that is spoken into the session; collects what is heard, at 48 kHz.

    Args:
        chunk: samples given at a time.
        paced: in real time.
    """

    def __init__(self, wave: np.ndarray, rate: int, chunk: int, paced: bool) -> None:
        super().__init__(rate, OUT_HZ)
        self.wave, self.chunk, self.live = wave, max(1, chunk), paced
        self.heard: list[np.ndarray] = []
        self.spoken, self.listened, self.began = 0, 0, 0.0

    def play(self, samples: int, work: Callable[[], None]) -> None:
        """Speak so many samples, silence behind the recording's end, and listen as long.

        Args:
            work: makes the hops, where nobody else does.
        """
        assert self.link is not None, "start the session first"
        if not self.spoken:
            self.began = time.monotonic()
        end = self.spoken + samples
        while self.spoken < end:
            count = min(self.chunk, end - self.spoken)
            part = self.wave[self.spoken : self.spoken + count]
            self.spoken += count
            if self.live:
                due = self.began + self.spoken / self.rate_in
                time.sleep(max(0.0, due - time.monotonic()))
            self.link.push(np.pad(part, (0, count - len(part))))
            if not self.live:
                work()
            listened = self.spoken * self.rate_out // self.rate_in
            self.heard.append(self.link.pull(listened - self.listened))
            self.listened = listened

    def figures(self) -> dict[str, Any]:
        return {"port": "file"}
