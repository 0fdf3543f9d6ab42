"""Who computes: of the jobs that one process does, one computes at a time while others load.

A job that has been at it for long lets those pass that came after it, at its next report. Which of
them has a turn is known to `rvc.memory`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONG_S = 20.0  # of work, after which a job lets others pass
LOOK_S = 0.1  # how often one that waits looks whether it is still wanted


def _nothing() -> None:
    """What a job does that wants to know nothing of its turn."""


class Turns:
    """The order of the jobs of a process: short ones first, then by number."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.holder: Turn | None = None
        self.waiting: list[Turn] = []


class Turn:
    """One job's place in the order.

    Args:
        number: as they came.
        long: lets all pass that are not.
        check: raises what ends the job while it waits.
        on_take, on_give: called when it begins or ceases to be the one that computes.
    """

    def __init__(
        self,
        turns: Turns,
        number: int,
        long: bool = False,
        check: Callable[[], None] = _nothing,
        on_take: Callable[[], None] = _nothing,
        on_give: Callable[[], None] = _nothing,
    ) -> None:
        self.turns, self.number, self.long = turns, number, long
        self.check, self.on_take, self.on_give = check, on_take, on_give
        self.first_s: float | None = None  # when it computed first

    @property
    def key(self) -> tuple[bool, int]:
        """Sorts those that wait."""
        return self.long, self.number

    @property
    def held(self) -> bool:
        return self.turns.holder is self

    def take(self) -> None:
        """Wait until this job may compute.

        Raises:
            Cancelled: or whatever `check` raises.
        """
        turns = self.turns
        with turns.changed:
            turns.waiting.append(self)
            try:
                while turns.holder is not None or min(turns.waiting, key=lambda t: t.key) != self:
                    turns.changed.wait(LOOK_S)
                    self.check()
                turns.holder = self
            finally:
                turns.waiting.remove(self)
                turns.changed.notify_all()
        self.first_s = time.monotonic() if self.first_s is None else self.first_s
        self.on_take()

    def give(self) -> None:
        """Let the next one compute, where this one does."""
        if not self.held:
            return
        self.on_give()
        with self.turns.changed:
            self.turns.holder = None
            self.turns.changed.notify_all()

    def offer(self, on_pause: Callable[[], None] = _nothing) -> bool:
        """Let all pass that go before; True where somebody did. `on_pause` is called before."""
        if not self.held or self.first_s is None:
            return False
        self.long = self.long or time.monotonic() - self.first_s > LONG_S
        with self.turns.changed:
            if not any(other.key < self.key for other in self.turns.waiting):
                return False
        on_pause()
        self.give()
        self.take()
        return True
