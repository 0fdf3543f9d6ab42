"""A process that does a job, `-m rvc.jobs VERB job.json`, or many, `-m rvc.jobs worker FOLDER`."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from rvc.jobs import worker
from rvc.jobs.report import Progress, perform
from rvc.realtime import lease

POLITE = ("SIGTERM", "SIGHUP", "SIGBREAK")  # those that this system knows ask to save and end


def work(verb: str, file: Path) -> int:
    """Do the job described in `file` in this very process; returns its exit code."""
    progress = Progress(file.parent)
    for name in POLITE:
        if number := getattr(signal, name, None):
            signal.signal(number, progress.interrupt)
    try:
        lease.give_way()
        return perform(verb, file, progress)
    finally:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()


def main(arguments: list[str]) -> int:
    if arguments[0] == worker.WORD:
        return worker.main(Path(arguments[1]))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout
    )
    return work(arguments[0], Path(arguments[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
