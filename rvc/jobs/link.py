"""A warm process as its server knows it, and what it has been told to do."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rvc import tasks
from rvc.errors import VoiceError


@dataclass
class OpenJob:
    """A job that is not finished."""

    job: str
    verb: str
    place: str  # its device
    number: int
    retried: bool = False

    @property
    def key(self) -> tuple[bool, int]:
        """Sorts as the process does."""
        return tasks.VERBS[self.verb].long, self.number


@dataclass
class WorkerLink:
    """A process and what is known of it.

    Attributes:
        turn: the job that computes.
        busy_s: when it last had something to do.
    """

    process: subprocess.Popen[bytes]
    place: str
    log: Path
    ready: bool = False
    turn: str | None = None
    told: set[str] = field(default_factory=set)
    busy_s: float = field(default_factory=time.monotonic)

    def tell(self, entry: OpenJob) -> None:
        """Hand over a job; a process that is gone is noticed by who reads what it says."""
        self.told.add(entry.job)
        assert self.process.stdin is not None
        with suppress(OSError):
            line = json.dumps({"name": entry.job, "verb": entry.verb})
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """Let it end when it has done what it has begun."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()


def no_start(link: WorkerLink) -> dict[str, str]:
    said = link.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    error = VoiceError(
        "The process that does such jobs cannot be started: "
        f"{said[-1] if said else 'it ended without a word'}.",
        f"Look at {link.log}, or run `doctor`.",
    )
    return error.as_dict() | {"cause": "\n".join(said[-5:])}
