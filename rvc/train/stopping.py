"""A wish to stop, heard between two steps so that nothing is left half done.

Where a step and a save together last longer than anybody waits for a stop, training is ended in
the middle of a step instead; so it is then saved by the clock, and a note beside the state says
how far, for the message about what will be done again.
"""

from __future__ import annotations

import logging
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from rvc import files

NOTE = "state.pt.json"  # beside state.pt: what is in it
PHASE = "Training | "  # begins the notes of a training's progress
PATIENCE_S = 3.0  # a step and a save that take longer may not end within a stop's grace
SLOW_SAVE_EVERY_S = 120.0
SAVING_SHARE = 0.02  # of the time, at most

log = logging.getLogger(__name__)


def asking_signals() -> list[signal.Signals]:
    """Those that ask to save and end: Ctrl-C, SIGTERM, a closed terminal (not under nohup)."""
    known = [getattr(signal, n, None) for n in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")]
    ignored = getattr(signal, "SIGHUP", None)
    if ignored is not None and signal.getsignal(ignored) == signal.SIG_IGN:
        known.remove(ignored)
    return [number for number in known if number is not None]


class StopSignals:
    """While entered, signals only set `asked`; a second Ctrl-C ends at once.

    Attributes:
        asked: whether to stop. signal: number of the signal that asked, 0 for none.
    """

    def __init__(self) -> None:
        self.asked = False
        self.signal = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in asking_signals():
                self.before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked, self.signal = True, number
        log.info("Stopping after this step; everything will be saved. Ctrl-C again ends at once.")


def save_after_s(step_s: float, save_s: float, limit_s: float) -> float:
    """Seconds after which the state is due to be saved again.

    Args:
        step_s: what a step takes. save_s: what a save takes.
        limit_s: the longest interval asked for; 0 asks for no saves by the clock at all.
    """
    if not limit_s:
        return float("inf")
    if step_s + save_s <= PATIENCE_S:
        return limit_s
    return min(limit_s, max(SLOW_SAVE_EVERY_S, save_s / SAVING_SHARE))


@dataclass(frozen=True)
class Saved:
    """What is in the newest state; `done` counts in the units of the training's progress."""

    epoch: int
    step: int
    done: int

    def write(self, folder: Path) -> None:
        files.write_json(folder / NOTE, vars(self), durable=False)


def saved(folder: Path) -> str:
    """A sentence about what is in the newest state; empty if nothing is known."""
    newest = _read(folder)
    if newest is None:
        return ""
    at = f"Step {newest.step} of epoch {newest.epoch}" if newest.step else "The start"
    return f"{at} is saved."


def repeated(folder: Path, note: str, done: float) -> str:
    """What a training ended in the middle of a step will do again; empty if nothing is known.

    Args:
        note, done: its last words about its progress.
    """
    newest = _read(folder)
    if PHASE not in note or newest is None:
        return ""
    again = max(0, round(done) - newest.done)
    lost = {0: "only the step", 1: "the step after it and the one"}.get(
        again, f"the {again} steps after it and the one"
    )
    return f"{saved(folder)[:-1]}; {lost} under way will be done again."


def _read(folder: Path) -> Saved | None:
    try:
        return Saved(**files.read_json(folder / NOTE))
    except (OSError, ValueError, TypeError):
        return None
