"""Long verbs as jobs: closing a tab, or restarting the server, must never lose work.

A job is a folder `<jobs>/<id>/` with `job.json` (what to do), `status.json` (how far it is; written
only by the job itself), `pid.json` (who does it) and `log.txt`. It runs in a process and session of
its own, or, where a server has opened its queue, waits for a warm process that has loaded what it
needs (`queued.json`). Every reader works out the truth from these files, so any number of browsers,
servers and command lines see the same job. No database, no socket.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from rvc import files, processes, tasks
from rvc.config import named, paths
from rvc.dataset import lock
from rvc.errors import BadInput, Busy, Cancelled, NotFound
from rvc.jobs import changes, record, tree
from rvc.jobs.queue import Queue
from rvc.jobs.record import CANCEL, JOB, LOG, PROCESS, QUEUED
from rvc.jobs.record import FINISHED as FINISHED
from rvc.jobs.report import ended_without_a_word
from rvc.params import Params

RUNNER = ["-m", "rvc.jobs"]  # what Python is given, before verb and file
GRACE_S = 4.2  # from asking a job to stop until its whole process tree is killed
WARM_GRACE_S = 1.0  # the same in a warm process, which only forgets what it had loaded
GONE_S = 0.5  # for the system to clear away what was killed
LOOK_S = 0.02  # how often a job that was asked to end is looked at
START_LIMIT_S = 60.0
KEEP = 200
LOG_ENCODING = "utf-8:backslashreplace"  # whatever the console of the one who starts it has

log = logging.getLogger(__name__)
_children: dict[str, subprocess.Popen[bytes]] = {}  # started here, to be reaped here
_voices: dict[str, str | None] = {}  # that jobs of this process work on
_queue: Queue | None = None  # of this process, while it is a server


@contextmanager
def serving(warm: bool = False) -> Iterator[Queue]:
    """Meanwhile verbs that are `warm` wait for a process that keeps what it has loaded.

    Args:
        warm: start that process at once.
    """
    global _queue
    before, opened = _queue, Queue(RUNNER, changes.ring)
    _queue = opened
    try:
        if warm:
            opened.start()
        yield opened
    finally:
        opened.close()
        _queue = before


def start(verb: str, p: Params) -> str:
    """Have `verb` done by another process; returns the job's id at once.

    Raises:
        Busy: another job is working on the same voice.
    """
    model: str | None = getattr(p, "model_name", None)
    if model is not None:
        _require_free(model)
    job = record.new_id(verb)
    folder = _folder(job)
    folder.mkdir(parents=True)
    values = p.model_dump(mode="json")
    asked = {"id": job, "verb": verb, "params": values, "created_s": time.time()}
    _voices[job] = model
    if _queue is not None and tasks.VERBS[verb].warm:
        _queue.mark(folder)
        files.write_json(folder / JOB, asked)
        _queue.add(job, verb, str(values.get("gpu", "auto")))
    else:
        files.write_json(folder / JOB, asked)
        _start_process(verb, folder)
    _prune()
    changes.ring()
    return job


def _start_process(verb: str, folder: Path) -> None:
    with (folder / LOG).open("wb") as sink:
        given = [*RUNNER, verb, str(folder / JOB)]
        process = processes.start_detached(given, sink, PYTHONIOENCODING=LOG_ENCODING)
    _children[folder.name] = process
    tree.remember(folder, process.pid)


def _require_free(model: str) -> None:
    """Nobody works on a voice, and no job started here is about to.

    Raises:
        Busy: somebody does; the hint names the job where it is one.
    """
    _reap()
    if model not in _voices.values() and not lock.is_held(model):
        return
    for other in listing():
        if other["state"] not in FINISHED and other["params"].get("model_name") == model:
            raise Busy(
                f"A job ({other['verb']}) is already working on the voice {model!r}.",
                f"Wait for it, or stop it first: job {other['id']}.",
            )
    if lock.is_held(model):
        raise Busy(f"The voice {model!r} is being worked on.", "Wait for it, or stop it first.")


def read(job: str) -> dict[str, Any]:
    """All there is to say about a job, JSON-ready: state, progress, time left, result or error.

    `state` is one of starting, queued, running, stopping, done, failed, cancelled; `before` is how
    many jobs are done before one that is queued, where this process knows.

    Raises:
        BadInput: there is no such job.
    """
    folder = _folder(job)
    if not (folder / JOB).is_file():
        raise NotFound(f"There is no job {job!r}.", "See the list of jobs for those there are.")
    if (facts := record.facts(folder))["state"] in FINISHED:
        return facts
    alive = _process(folder) is not None
    facts = record.facts(folder)  # read again: a job that was gone by then has written its end
    asked = (folder / CANCEL).exists()
    if facts["state"] in FINISHED:
        return facts
    if alive and asked:
        return facts | {"state": "stopping"}
    if facts["state"] == "queued" or ((folder / QUEUED).exists() and facts["state"] == "starting"):
        return facts | (_left_the_queue() if asked else _waiting(job))
    if alive:
        return facts
    if not (folder / PROCESS).exists() and time.time() - facts["created_s"] < START_LIMIT_S:
        return facts
    return facts | ended_without_a_word(folder, facts, asked)


def _waiting(job: str) -> dict[str, Any]:
    return {"state": "queued", "before": None if _queue is None else _queue.before(job)}


def _left_the_queue() -> dict[str, Any]:
    return {"state": "cancelled", "error": Cancelled("Stopped before it had begun.").as_dict()}


def listing(limit: int = KEEP) -> list[dict[str, Any]]:
    """The newest jobs first."""
    found: list[dict[str, Any]] = []
    for job in _names():
        if len(found) == limit:
            break
        try:
            found.append(read(job))
        except BadInput as error:
            log.debug("Job %s was removed meanwhile: %s", job, error)
    return found


def _names() -> list[str]:
    """The ids of all jobs, newest first."""
    names = (file.parent.name for file in paths().jobs.glob(f"*/{JOB}"))
    ours = (name for name in names if record.ID.fullmatch(name))
    return sorted(ours, key=record.age, reverse=True)


def tail(job: str, lines: int = 200) -> str:
    """The last lines of a job's log."""
    return record.tail(_folder(job), lines)


def cancel(job: str, grace_s: float = GRACE_S) -> dict[str, Any]:
    """Ask a job to stop, give it `grace_s` to save, then kill what is left of its process tree.

    Blocks until the tree is gone, which is within five seconds. A finished job is left as it is.
    What was not ready to stop loses time, nothing else: its last state is saved.
    """
    now = read(job)
    if now["state"] in FINISHED:
        return now
    folder = _folder(job)
    record.write(folder / CANCEL, {"asked_s": time.time()})
    changes.ring()
    process = _process(folder)
    if process is None:
        return read(job)
    found = {process, *tree.members(process)}
    warm = (folder / QUEUED).exists()
    if not warm:
        tree.ask_to_end(process)
    deadline = time.monotonic() + (min(grace_s, WARM_GRACE_S) if warm else grace_s)
    while time.monotonic() < deadline and _process(folder) is not None:
        if warm and record.facts(folder)["state"] in FINISHED:
            return read(job)
        found.update(tree.members(process))
        time.sleep(LOOK_S)
    for member in found | set(tree.members(process)):
        try:
            member.kill()  # psutil refuses when the pid was handed to another process
        except psutil.Error as error:
            log.debug("%s: %s", member, error)
    psutil.wait_procs(found, timeout=GONE_S)
    _reap()
    changes.ring()
    return read(job)


def _process(folder: Path) -> psutil.Process | None:
    """The living process of a job."""
    _reap()
    return tree.leader(folder)


def _reap() -> None:
    for job in [j for j, process in list(_children.items()) if process.poll() is not None]:
        _children.pop(job, None)
    known = _children.keys() | (set() if _queue is None else _queue.jobs())
    for job in [j for j in _voices if j not in known]:
        _voices.pop(job, None)


def _folder(job: str) -> Path:
    return named(paths().jobs, job)


def _prune() -> None:
    for job in _names()[KEEP:]:
        if read(job)["state"] in FINISHED:
            shutil.rmtree(_folder(job), ignore_errors=True)  # what is open stays (Windows)
