"""Spreads cutting over processes: light to start, gone with their parent, safe against crashes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from rvc.progress import Report
from rvc.train.slices import Job, Outcome, work

WORTHWHILE_S = 120.0  # sound per process that repays starting it
CRASHED = "{} crashed the decoder."
NOTE = "Cutting"


def spread(jobs: Sequence[Job], cores: int, report: Report) -> Iterator[Outcome]:
    """Work on jobs with up to `cores` processes (none where there is little to do).

    Yields:
        Outcomes as they come.

    Raises:
        OSError: nothing can be written. Cancelled: from `report`.
    """
    total, done = sum(job.seconds for job in jobs), 0.0
    count = min(cores, len(jobs), int(total / WORTHWHILE_S) + 1)
    for job, outcome in _inside(jobs, report, total) if count < 2 else _pool(jobs, count, report):
        done += job.seconds
        report(round(done, 1), round(total, 1), NOTE)
        yield outcome


def _inside(jobs: Sequence[Job], report: Report, total: float) -> Iterator[tuple[Job, Outcome]]:
    if jobs:
        report(0, round(total, 1), NOTE)
    for job in jobs:
        yield job, work(job)


def _pool(jobs: Sequence[Job], count: int, report: Report) -> Iterator[tuple[Job, Outcome]]:
    """Long jobs first. After a crash the unfinished ones run one by one, to find the culprit."""
    total, done = round(sum(job.seconds for job in jobs), 1), 0.0
    left = dict.fromkeys(sorted(jobs, key=lambda job: -job.seconds))
    pool = _executor(count)
    try:
        waiting: dict[Future[Outcome], Job] = {pool.submit(work, job): job for job in left}
        while waiting:
            report(round(done, 1), total, NOTE)
            for future in wait(waiting, 0.25, FIRST_COMPLETED).done:
                job = waiting.pop(future)
                outcome = future.result()
                done += job.seconds
                del left[job]
                yield job, outcome
    except BrokenProcessPool:
        yield from _one_by_one(list(left), report, done, total)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one_by_one(
    jobs: Sequence[Job], report: Report, done: float, total: float
) -> Iterator[tuple[Job, Outcome]]:
    for job in jobs:
        report(round(done, 1), total, NOTE)
        with _executor(1) as pool:
            try:
                yield job, pool.submit(work, job).result()
            except BrokenProcessPool:
                yield job, Outcome(job.key, cause=CRASHED.format(job.path))
        done += job.seconds


def _executor(count: int) -> ProcessPoolExecutor:
    """Fresh interpreters: forking a process that runs threads can hang."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_settle)


def _settle() -> None:
    """Leave Ctrl-C to the parent, and end with it even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
