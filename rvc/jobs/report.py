"""What a job says of itself while it is done, and how it ends, whatever happens."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from rvc import tasks
from rvc.config import experiment
from rvc.errors import BadInput, Cancelled, VoiceError
from rvc.jobs.record import CANCEL, STATUS, load, tail, write
from rvc.train import stopping
from rvc.turns import Turn

WRITE_EVERY_S = 0.25
LAST_TRIES, LAST_RETRY_S = 40, 0.25
STOPPED_HINT = "What was finished is kept; start it again to go on."

log = logging.getLogger("rvc.jobs")


def _nobody() -> None:
    """Who is told of changes where nobody wants to know."""


class Progress:
    """The Report inside a job: keeps status.json fresh and raises Cancelled once asked to stop.

    Args:
        folder: of the job.
        changed: called whenever the status was written.
        turn: of this job, where several share a process.
    """

    def __init__(
        self, folder: Path, changed: Callable[[], None] = _nobody, turn: Turn | None = None
    ) -> None:
        self.folder, self.changed, self.turn = folder, changed, turn
        self.stop = False
        self.status: dict[str, Any] = {"state": "running", "started_s": time.time()}
        self.phase = (time.monotonic(), 0.0, -1.0)  # began, done at its beginning, total
        self.written = 0.0
        self.write()

    def __call__(self, done: float, total: float, note: str = "") -> None:
        now = time.monotonic()
        began, first, known_total = self.phase
        fresh = total != known_total or done < self.status.get("done", 0.0)
        if fresh:
            began, first = now, done
            self.phase = (now, done, total)
        left = (now - began) * (total - done) / (done - first) if done > first else None
        self.status |= {"done": float(done), "total": float(total), "note": note, "eta_s": left}
        if fresh or now - self.written >= WRITE_EVERY_S:
            self.write()
            self.check()
        if self.stop:
            self.check()
        if self.turn is not None and self.turn.offer(self._pause):
            self._go_on()

    def check(self) -> None:
        """Raise Cancelled where somebody wants this job to end."""
        self.stop = self.stop or (self.folder / CANCEL).exists()
        if self.stop:
            raise Cancelled("Stopped on request.", STOPPED_HINT)

    def _pause(self) -> None:
        self.status |= {"state": "queued", "eta_s": None}
        self.write()

    def _go_on(self) -> None:
        self.status["state"] = "running"
        self.phase = (time.monotonic(), self.status["done"], self.status["total"])
        self.write()

    def end(self, state: str, **values: Any) -> None:
        """Say how it ended, however long somebody keeps the file from being written."""
        self.status |= {"state": state, "ended_s": time.time(), "eta_s": None, **values}
        for _ in range(LAST_TRIES):
            if self.write():
                return
            time.sleep(LAST_RETRY_S)
        log.error("The end of this job could not be written to %s.", self.folder / STATUS)

    def write(self) -> bool:
        """Whether the status could be written; if not, the next report says all of it anyway."""
        self.written = time.monotonic()
        try:
            write(self.folder / STATUS, self.status)
        except OSError as error:
            log.debug("No progress written: %s", error)
            return False
        self.changed()
        return True

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Stop at the next report."""
        self.stop = True


def perform(verb: str, file: Path, progress: Progress) -> int:
    """Do the job described in `file`, here; its end is written. Returns its exit code."""
    try:
        p = tasks.VERBS[verb].params.model_validate(load(file)["params"])
        progress.end("done", result=tasks.run(verb, p, progress))
        return 0
    except VoiceError as error:
        cause = {"cause": str(error.__cause__ or "")}
        state = "cancelled" if isinstance(error, Cancelled) else "failed"
        progress.end(state, error=error.as_dict() | cause, result=error.result)
        log.error("%s %s", error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        interrupted = Cancelled("Interrupted in the middle of its work.", STOPPED_HINT)
        progress.end("cancelled", error=interrupted.as_dict())
        return interrupted.exit_code
    except (Exception, SystemExit) as error:  # noqa: BLE001 - nobody else can tell the person
        log.exception("Unexpected failure")
        details = "".join(traceback.format_exception(error)[-3:])
        progress.end("failed", error=_unexpected(verb, error) | {"cause": details})
        return 1


def _unexpected(verb: str, error: BaseException) -> dict[str, str]:
    found = VoiceError(
        f"{verb} failed in a way nobody foresaw: {type(error).__name__}: {error}",
        "Copy the details and report them; what was finished before is kept.",
    )
    return found.as_dict()


def ended_without_a_word(folder: Path, facts: dict[str, Any], asked: bool) -> dict[str, Any]:
    again = _again(facts)
    if asked:
        stopped = Cancelled(f"Stopped in the middle of its work. {again}".strip(), STOPPED_HINT)
        return {"state": "cancelled", "error": stopped.as_dict()}
    error = VoiceError(
        "The process of this job ended without a word; the system may have run out of memory. "
        f"{again}".strip(),
        "Free memory or choose smaller settings, and look at the log.",
    )
    return {"state": "failed", "error": error.as_dict() | {"cause": tail(folder, 5)}}


def _again(facts: dict[str, Any]) -> str:
    try:
        folder = experiment(facts["params"].get("model_name") or "")
    except BadInput:
        return ""
    return stopping.repeated(folder, facts["note"], facts["done"])
