"""Spreads work on recordings over processes: light to start, gone with their parent, and safe
against crashes of a decoder."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from rvc import Report
from rvc.errors import VoiceError
from rvc.plugins import attribute

WORTHWHILE_S = 300.0  # sound per process that repays starting it


class Timed(Protocol):
    """What can be worked on: something that knows how many seconds of sound it is."""

    @property
    def seconds(self) -> float: ...


J = TypeVar("J", bound=Timed)
R = TypeVar("R")


def spread(
    jobs: Sequence[J],
    work: Callable[[J], R],
    crashed: Callable[[J], R],
    cores: int,
    report: Report,
    note: str,
) -> Iterator[R]:
    """Work on jobs with up to `cores` processes (none where there is little to do).

    Args:
        work: what to do with each; a function of a module that is quick to import.
        crashed: what to say of a job that killed its process.

    Yields:
        Results as they come.

    Raises:
        whatever `work` raises; Cancelled from `report`.
    """
    total, done = round(sum(job.seconds for job in jobs), 1), 0.0

    def tick() -> None:
        if total:
            report(round(done, 1), total, note)

    count = min(cores, len(jobs), int(total / WORTHWHILE_S))
    tick()
    results = _inside(jobs, work) if count < 2 else _pool(jobs, work, crashed, count, tick)
    for job, result in results:
        done += job.seconds
        tick()
        yield result


def _inside(jobs: Sequence[J], work: Callable[[J], R]) -> Iterator[tuple[J, R]]:
    for job in jobs:
        yield job, work(job)


def _pool(
    jobs: Sequence[J],
    work: Callable[[J], R],
    crashed: Callable[[J], R],
    count: int,
    tick: Callable[[], None],
) -> Iterator[tuple[J, R]]:
    """Long jobs first. After a crash the unfinished ones run one by one, to find the culprit."""
    left = sorted(jobs, key=lambda job: -job.seconds)
    pool = _executor(count)
    try:
        waiting: dict[Future[R], J] = {pool.submit(work, job): job for job in left}
        while waiting:
            tick()
            for future in wait(waiting, 0.25, FIRST_COMPLETED).done:
                job, result = waiting[future], future.result()
                del waiting[future]
                left.remove(job)
                yield job, result
    except BrokenProcessPool:
        for job in left:
            tick()
            with _executor(1) as single:
                try:
                    yield job, single.submit(work, job).result()
                except BrokenProcessPool:
                    yield job, crashed(job)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def apart(work: str, given: object, report: Report) -> Any:
    """Work in a process of its own: what it loads is gone with it.

    Args:
        work: "module:function" with the signature (given, report) -> result.

    Raises:
        whatever it raises; Cancelled from `report`; VoiceError: it crashed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_apart, args=(theirs, work, given))
    process.start()
    theirs.close()
    try:
        while True:
            kind, said = ours.recv()
            if kind == "result":
                return said
            if kind == "error":
                raise said
            report(*said)
    except EOFError:
        raise VoiceError(f"The process for {work} ended before its work was done.") from None
    finally:
        process.terminate()
        process.join()
        ours.close()


def _apart(to: Connection, work: str, given: object) -> None:
    _settle()
    try:
        result = attribute(work)(given, lambda *said: to.send(("report", said)))
        to.send(("result", result))
    except Exception as error:  # noqa: BLE001 - raised again where it was asked for
        to.send(("error", error))


def _executor(count: int) -> ProcessPoolExecutor:
    """Fresh interpreters: forking a process that runs threads can hang."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_settle)


def _settle() -> None:
    """Leave Ctrl-C to the parent, end with it even if it is killed, and do not share its cores
    out again: what is loaded later (torch) uses one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)
