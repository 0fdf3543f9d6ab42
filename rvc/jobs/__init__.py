"""Long verbs as jobs: closing a tab, or restarting the server, must never lose work.

A job is a folder `<jobs>/<id>/` with `job.json` (what to do), `status.json` (how far it is; written
only by the job itself), `pid.json` (who does it) and `log.txt`. It runs in a process and session of
its own, or, where a server has opened its queue, waits for a warm process that has loaded what it
needs (`queued.json`). Every reader works out the truth from these files, so any number of browsers,
servers and command lines see the same job. No database, no socket.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from rvc import files, processes, tasks
from rvc.config import experiment, named, paths
from rvc.dataset import lock
from rvc.errors import BadInput, Busy, Cancelled, NotFound, VoiceError
from rvc.jobs import changes, record
from rvc.jobs.queue import Queue
from rvc.jobs.record import CANCEL, JOB, LOG, PROCESS, QUEUED
from rvc.jobs.record import FINISHED as FINISHED
from rvc.jobs.report import STOPPED_HINT
from rvc.jobs.worker import WORD
from rvc.params import Params
from rvc.train import stopping

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
    job = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{verb}-{secrets.token_hex(3)}"
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
    _remember(folder, process.pid)


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
    return facts | _ended_without_a_word(folder, facts, asked)


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
    return sorted((name for name in names if record.ID.fullmatch(name)), reverse=True)


def tail(job: str, lines: int = 200) -> str:
    """The last lines of a job's log."""
    file = _folder(job) / LOG
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 400 * lines))
        return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-lines:])


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
    tree = {process, *_tree(process)}
    warm = (folder / QUEUED).exists()
    if not warm:
        _ask_to_end(process)
    deadline = time.monotonic() + (min(grace_s, WARM_GRACE_S) if warm else grace_s)
    while time.monotonic() < deadline and _process(folder) is not None:
        if warm and record.facts(folder)["state"] in FINISHED:
            return read(job)
        tree.update(_tree(process))
        time.sleep(LOOK_S)
    for member in tree | set(_tree(process)):
        try:
            member.kill()  # psutil refuses when the pid was handed to another process
        except psutil.Error as error:
            log.debug("%s: %s", member, error)
    psutil.wait_procs(tree, timeout=GONE_S)
    _reap()
    changes.ring()
    return read(job)


def _ask_to_end(process: psutil.Process) -> None:
    try:
        processes.ask_to_end(process)
    except psutil.Error as error:
        log.info("%s ended by itself: %s", process, error)


def _tree(leader: psutil.Process) -> Iterator[psutil.Process]:
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


def _process(folder: Path) -> psutil.Process | None:
    """The living process of a job; a pid counts only with its start time and command line."""
    _reap()
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


def _remember(folder: Path, pid: int) -> None:
    try:
        born_s = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        born_s = 0.0
    files.write_json(folder / PROCESS, {"pid": pid, "create_time_s": born_s})


def _reap() -> None:
    for job in [j for j, process in list(_children.items()) if process.poll() is not None]:
        _children.pop(job, None)
    known = _children.keys() | (set() if _queue is None else _queue.jobs())
    for job in [j for j in _voices if j not in known]:
        _voices.pop(job, None)


def _ended_without_a_word(folder: Path, facts: dict[str, Any], asked: bool) -> dict[str, Any]:
    again = _again(facts)
    if asked:
        stopped = Cancelled(f"Stopped in the middle of its work. {again}".strip(), STOPPED_HINT)
        return {"state": "cancelled", "error": stopped.as_dict()}
    error = VoiceError(
        "The process of this job ended without a word; the system may have run out of memory. "
        f"{again}".strip(),
        "Free memory or choose smaller settings, and look at the log.",
    )
    return {"state": "failed", "error": error.as_dict() | {"cause": tail(folder.name, 5)}}


def _again(facts: dict[str, Any]) -> str:
    try:
        folder = experiment(facts["params"].get("model_name") or "")
    except BadInput:
        return ""
    return stopping.repeated(folder, facts["note"], facts["done"])


def _folder(job: str) -> Path:
    return named(paths().jobs, job)


def _prune() -> None:
    for job in _names()[KEEP:]:
        if read(job)["state"] in FINISHED:
            shutil.rmtree(_folder(job), ignore_errors=True)  # what is open stays (Windows)
