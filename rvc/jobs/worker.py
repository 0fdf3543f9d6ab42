"""The warm process: it does jobs one after another and keeps what was loaded for the next.

It is told of jobs by lines on standard input, and tells by lines on standard output who has the
turn, what has changed and what has ended; both are JSON. Its server may go: then it ends what it
has begun and follows. Each job has a thread, of which one computes at a time (`rvc.turns`).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

from rvc import memory, tasks, turns
from rvc.errors import Cancelled
from rvc.hub import limit_bytes
from rvc.jobs.outputs import JobLog, Outputs, sink_of_thread
from rvc.jobs.record import CANCEL, JOB, LOG, PROCESS, STATUS, write
from rvc.jobs.report import Progress, perform
from rvc.jobs.surroundings import Surroundings

WORD = "worker"  # the argument that asks for this process
THREADS = 4  # jobs begun at a time: one computes, the others load or let it pass
ENGINE = "infer"  # the verb whose engine is loaded beforehand
WAKE_S = 1.0

log = logging.getLogger("rvc.jobs")


class NotBegun(Exception):
    """This process ends before a job could begin, which stays in its queue."""


@dataclass
class Job:
    """A job that this process was told of."""

    id: str
    file: Path
    verb: str
    number: int
    progress: Progress | None = None

    @property
    def long(self) -> bool:
        return tasks.VERBS[self.verb].long if self.verb in tasks.VERBS else False

    @property
    def key(self) -> tuple[bool, int]:
        return self.long, self.number


class Worker:
    """The jobs of this process.

    Args:
        folder: of all jobs.
    """

    def __init__(self, folder: Path, outputs: Outputs) -> None:
        self.folder, self.outputs = folder, outputs
        self.turns = turns.Turns()
        self.news = threading.Condition()
        self.waiting: list[Job] = []
        self.begun: list[Job] = []
        self.closing = False
        self.told = 0
        self.surroundings = Surroundings()

    def add(self, name: str, verb: str) -> None:
        """Take in a job, to be done when its time comes."""
        self.told += 1
        with self.news:
            self.waiting.append(Job(name, self.folder / name / JOB, verb, self.told))
            self.news.notify()

    def close(self) -> None:
        """Begin nothing more."""
        with self.news:
            self.closing = True
            self.news.notify_all()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Begin nothing more, and end what was begun at its next report."""
        self.closing = True  # a signal waits for no lock
        for job in self.begun:
            if job.progress is not None:
                job.progress.stop = True

    def work(self) -> None:
        """What each thread does until the end: the next job, and the next."""
        while (job := self._next()) is not None:
            begun = True
            try:
                self._do(job)
            except NotBegun:
                begun = False
            with self.news:
                self.begun.remove(job)
                self._tidy()
                self.news.notify_all()
            if begun:
                self.outputs.tell(ended=job.id)

    def _next(self) -> Job | None:
        with self.news:
            while not self.closing:
                busy = any(job.long for job in self.begun)
                ready = [job for job in self.waiting if not (busy and job.long)]
                if ready:
                    job = min(ready, key=lambda j: j.key)
                    self.waiting.remove(job)
                    self.begun.append(job)
                    return job
                self.news.wait(WAKE_S)
        return None

    def _do(self, job: Job) -> None:
        folder = job.file.parent
        with (folder / LOG).open("a", encoding="utf-8", errors="backslashreplace") as sink:
            sink_of_thread.file = sink
            try:
                self._in_turn(job, sink)
            except Cancelled as stopped:  # before it had begun
                write(folder / STATUS, {"state": "cancelled", "error": stopped.as_dict()})
            finally:
                sink_of_thread.file = None

    def _in_turn(self, job: Job, sink: IO[str]) -> None:
        """Do a job, computing only when it is its turn."""
        folder, tell = job.file.parent, self.outputs.tell

        def check() -> None:
            if job.progress is not None:
                job.progress.check()
            elif self.closing:
                raise NotBegun
            elif (folder / CANCEL).exists():
                raise Cancelled("Stopped before it had begun.")

        def take() -> None:
            tell(turn=job.id)
            self.outputs.lead(sink.fileno())

        def give() -> None:
            self.outputs.lead(self.outputs.own)
            tell(turn=None)

        turn = turns.Turn(self.turns, job.number, job.long, check, take, give)
        turn.take()
        token = memory.current.set(turn)
        try:
            check()
            me = psutil.Process()
            write(folder / PROCESS, {"pid": me.pid, "create_time_s": me.create_time()})
            job.progress = Progress(folder, lambda: tell(changed=job.id), turn)
            perform(job.verb, job.file, job.progress)
            self.surroundings.restore()
        finally:
            memory.current.reset(token)
            turn.give()

    def _tidy(self) -> None:
        """After a job: no process of it is left, and memory stays within its limit."""
        for child in [] if self.begun else psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        limit = limit_bytes()
        if psutil.Process().memory_info().rss > limit:
            log.info("More than %d MB are in use; a fresh process takes over.", limit >> 20)
            self.close()


def main(folder: Path) -> int:
    """Be the warm process for the jobs in `folder`, until the server closes standard input."""
    outputs = Outputs()
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    with open(os.devnull) as nothing:  # noqa: PTH123 - no file of anybody
        os.dup2(nothing.fileno(), 0)
    handler = JobLog()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    memory.limit_shape_caches()
    import_module(tasks.VERBS[ENGINE].engine.split(":")[0])
    worker = Worker(folder, outputs)
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if number := getattr(signal, name, None):
            signal.signal(number, worker.stop)

    def listen() -> None:
        for line in commands:
            worker.add(**json.loads(line))
        worker.close()

    threading.Thread(target=listen, daemon=True).start()
    outputs.tell(ready=os.getpid())
    threads = [threading.Thread(target=worker.work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0
