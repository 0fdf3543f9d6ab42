"""Long verbs as jobs: closing a tab, or restarting the server, must never lose work.

A job is a folder `<jobs>/<id>/` with `job.json` (what to do), `status.json` (how far it is; written
only by the job itself), `pid.json` (who does it) and `log.txt`. It runs in a process and session of
its own; every reader works out the truth from these files, so any number of browsers, servers and
command lines see the same job. No database, no socket.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from rvc import files, processes
from rvc.config import experiment, named, paths
from rvc.dataset import lock
from rvc.errors import BadInput, Busy, Cancelled, NotFound, VoiceError
from rvc.jobs import record
from rvc.jobs.record import CANCEL, JOB, LOG, PROCESS
from rvc.jobs.record import FINISHED as FINISHED
from rvc.params import Params
from rvc.train import stopping

RUNNER = ["-m", "rvc.jobs"]  # what Python is given, before verb and file
GRACE_S = 4.2  # from asking a job to stop until its whole process tree is killed
GONE_S = 0.5  # for the system to clear away what was killed
START_LIMIT_S = 60.0
KEEP = 200
LOG_ENCODING = "utf-8:backslashreplace"  # whatever the console of the one who starts it has
STOPPED_HINT = "What was finished is kept; start it again to go on."

log = logging.getLogger(__name__)
_children: dict[str, subprocess.Popen[bytes]] = {}  # started here, to be reaped here
_voices: dict[str, str | None] = {}  # that those work on


def start(verb: str, p: Params) -> str:
    """Run `verb` in a process of its own; returns the job's id at once.

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
    files.write_json(folder / JOB, asked)
    with (folder / LOG).open("wb") as sink:
        given = [*RUNNER, verb, str(folder / JOB)]
        process = processes.start_detached(given, sink, PYTHONIOENCODING=LOG_ENCODING)
    _children[job] = process
    _voices[job] = model
    _remember(folder, process.pid)
    _prune()
    return job


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

    `state` is one of starting, running, stopping, done, failed, cancelled.

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
    if alive:
        return facts | {"state": "stopping"} if asked else facts
    if not (folder / PROCESS).exists() and time.time() - facts["created_s"] < START_LIMIT_S:
        return facts
    return facts | _ended_without_a_word(folder, facts, asked)


def listing(limit: int = KEEP) -> list[dict[str, Any]]:
    """The newest jobs first."""
    names = (file.parent.name for file in paths().jobs.glob(f"*/{JOB}"))
    found: list[dict[str, Any]] = []
    for job in sorted((name for name in names if record.ID.fullmatch(name)), reverse=True):
        if len(found) == limit:
            break
        try:
            found.append(read(job))
        except BadInput as error:
            log.debug("Job %s was removed meanwhile: %s", job, error)
    return found


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
    process = _process(folder)
    if process is None:
        return read(job)
    tree = {process, *_tree(process)}
    try:
        processes.ask_to_end(process)
    except psutil.Error as error:
        log.info("Job %s ended by itself: %s", job, error)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and _process(folder) is not None:
        tree.update(_tree(process))
        time.sleep(0.05)
    for member in tree | set(_tree(process)):
        try:
            member.kill()  # psutil refuses when the pid was handed to another process
        except psutil.Error as error:
            log.debug("%s: %s", member, error)
    psutil.wait_procs(tree, timeout=GONE_S)
    _reap()
    return read(job)


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
        mine = not line or str(folder / JOB) in line
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
    for job in listing(10 * KEEP)[KEEP:]:
        if job["state"] in FINISHED:
            shutil.rmtree(_folder(job["id"]), ignore_errors=True)  # what is open stays (Windows)
