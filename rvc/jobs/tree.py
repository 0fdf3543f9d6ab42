"""The processes of a job: who leads them, and who belongs to it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from rvc import files, processes
from rvc.jobs import record
from rvc.jobs.record import JOB, PROCESS
from rvc.jobs.worker import WORD

log = logging.getLogger(__name__)


def ask_to_end(process: psutil.Process) -> None:
    try:
        processes.ask_to_end(process)
    except psutil.Error as error:
        log.info("%s ended by itself: %s", process, error)


def members(leader: psutil.Process) -> Iterator[psutil.Process]:
    """The processes a job started: its descendants, and orphans that stayed in its session."""
    try:
        yield from leader.children(recursive=True)
    except psutil.NoSuchProcess:
        log.debug("The leader is gone; only its session is left to look at.")
    for process in () if processes.WINDOWS else psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader.pid and process.pid != leader.pid:
                yield process
        except (ProcessLookupError, PermissionError):
            continue


def remember(folder: Path, pid: int) -> None:
    try:
        born_s = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        born_s = 0.0
    files.write_json(folder / PROCESS, {"pid": pid, "create_time_s": born_s})


def leader(folder: Path) -> psutil.Process | None:
    """The living process of a job; a pid counts only with its start time and command line."""
    known = record.load(folder / PROCESS)
    try:
        process = psutil.Process(int(known["pid"]))
        same = abs(process.create_time() - float(known["create_time_s"])) < 2.0
        line = process.cmdline()  # empty for a moment while a new program is being loaded
        words = (str(folder / JOB),), (WORD, str(folder.parent))
        mine = not line or any(set(each) <= set(line) for each in words)
        return process if same and mine and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return None
