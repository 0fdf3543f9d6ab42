"""What waits for the warm processes of a server, one process per device.

A job that waits is a folder with `queued.json`, which names the server that will have it done: what
a server has left behind is taken over by the next one. A process is told of all that waits for it
and picks the order itself (`rvc.jobs.worker`); when it ends, however it does, what had not begun
goes to its successor, what it was computing is lost, and what was only loading or letting others
pass is tried once more.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from rvc import device, processes, tasks
from rvc.config import load_settings, paths
from rvc.errors import BadInput
from rvc.jobs import record
from rvc.jobs.link import OpenJob, WorkerLink, no_start
from rvc.jobs.worker import WORD

KEEP_HOUSE_S = 5.0
ADOPT_EVERY_S = 30.0
GIVE_UP = 2  # processes in a row that ended before they were ready

log = logging.getLogger(__name__)


class Queue:
    """The jobs that wait, and the processes that do them.

    Args:
        runner: what Python is given to start a process, before its own words.
        changed: called, from any thread, when there may be something new to say of a job.
    """

    def __init__(self, runner: Sequence[str], changed: Callable[[], None]) -> None:
        self.runner, self.changed = list(runner), changed
        self.lock = threading.RLock()
        self.entries: dict[str, OpenJob] = {}
        self.links: dict[str, WorkerLink] = {}
        self.failures = 0
        self.numbers = 0
        self.closed = threading.Event()
        self.adopted_s = 0.0
        self.me = psutil.Process()
        self.keeper = threading.Thread(target=self._keep_house, daemon=True)
        self.keeper.start()

    def mark(self, folder: Path) -> None:
        """Say in a job's folder that it waits here."""
        owner = {"pid": self.me.pid, "create_time_s": self.me.create_time()}
        record.write(folder / record.QUEUED, owner)

    def add(self, job: str, verb: str, gpu: str) -> None:
        """Have a job done whose folder is marked."""
        with self.lock:
            self.numbers += 1
            entry = OpenJob(job, verb, device.place(gpu), self.numbers)
            self.entries[job] = entry
            self._link(entry.place).tell(entry)

    def start(self) -> None:
        """Have the usual process ready before it is needed."""
        with self.lock:
            self._link(device.place("auto"))

    def before(self, job: str) -> int | None:
        """How many are done before a job that waits here; None where it does not."""
        with self.lock:
            mine = self.entries.get(job)
            if mine is None:
                return None
            link = self.links.get(mine.place)
            turn = None if link is None else link.turn
            return sum(
                other is not mine
                and other.place == mine.place
                and (other.key < mine.key or other.job == turn)
                for other in self.entries.values()
            )

    def jobs(self) -> set[str]:
        """Those that are not finished."""
        with self.lock:
            return set(self.entries)

    def close(self) -> None:
        """Let the processes go on with what they have begun; what waits is for the next server."""
        self.closed.set()
        with self.lock:
            for link in self.links.values():
                link.close()

    def _link(self, place: str) -> WorkerLink:
        if place in self.links:
            return self.links[place]
        folder = paths().jobs
        folder.mkdir(parents=True, exist_ok=True)
        own_log = paths().cache / f"worker {place}.log"
        with own_log.open("wb") as sink:
            words = [*self.runner, WORD, str(folder)]
            process = processes.start_worker(words, sink)
        link = self.links[place] = WorkerLink(process, place, own_log)
        threading.Thread(target=self._hear, args=(link,), daemon=True).start()
        return link

    def _hear(self, link: WorkerLink) -> None:
        """Take note of what a process says, until it has ended."""
        assert link.process.stdout is not None
        for line in link.process.stdout:
            try:
                said: dict[str, Any] = json.loads(line)
            except ValueError:
                log.warning("The warm process said %r.", line)
                continue
            with self.lock:
                link.busy_s = time.monotonic()
                if "ready" in said:
                    link.ready, self.failures = True, 0
                if "turn" in said:
                    link.turn = said["turn"]
                if "ended" in said:
                    self.entries.pop(said["ended"], None)
                    link.told.discard(said["ended"])
            self.changed()
        link.process.wait()
        with self.lock:
            self._bury(link)
        self.changed()

    def _bury(self, link: WorkerLink) -> None:
        """A process has ended: hand on what is left of its work."""
        if self.links.get(link.place) is link:
            del self.links[link.place]
        if not link.ready and not self.closed.is_set():
            self.failures += 1
        if link.process.returncode and not self.closed.is_set():
            log.warning("The warm process ended with %s.", link.process.returncode)
        left = [entry for entry in self.entries.values() if entry.job in link.told]
        for entry in sorted(left, key=lambda e: e.number):
            if self._is_over(entry, link):
                del self.entries[entry.job]
            elif not self.closed.is_set():
                self._again(entry, link)

    def _is_over(self, entry: OpenJob, link: WorkerLink) -> bool:
        """Whether a job of a process that has ended is not to be done any more."""
        folder = paths().jobs / entry.job
        state = record.facts(folder)["state"]
        if state in record.FINISHED or (folder / record.CANCEL).exists():
            return True
        if not (folder / record.PROCESS).exists():  # not begun
            return False
        lost = entry.job == link.turn or entry.retried
        entry.retried = True
        return lost

    def _again(self, entry: OpenJob, link: WorkerLink) -> None:
        folder = paths().jobs / entry.job
        if self.failures >= GIVE_UP:
            del self.entries[entry.job]
            record.write(folder / record.STATUS, {"state": "failed", "error": no_start(link)})
            return
        (folder / record.PROCESS).unlink(missing_ok=True)
        record.write(folder / record.STATUS, {"state": "queued"})
        self._link(entry.place).tell(entry)

    def _keep_house(self) -> None:
        """Take over what other servers have left, and end processes that had long nothing to do."""
        while True:
            now = time.monotonic()
            if now - self.adopted_s >= ADOPT_EVERY_S or not self.adopted_s:
                self.adopted_s = now
                self._adopt()
            limit_s = idle_s()
            with self.lock:
                for link in list(self.links.values()):
                    busy = any(entry.place == link.place for entry in self.entries.values())
                    if not busy and now - link.busy_s > limit_s:
                        del self.links[link.place]
                        link.close()
            if self.closed.wait(KEEP_HOUSE_S):
                return

    def _adopt(self) -> None:
        """Take over jobs whose server is gone before they had begun."""
        marks = paths().jobs.glob(f"*/{record.QUEUED}")
        for mark in sorted(marks, key=lambda mark: record.age(mark.parent.name)):
            folder = mark.parent
            facts = record.facts(folder)
            waits = facts["state"] in ("starting", "queued") and facts["verb"] in tasks.VERBS
            if not waits or folder.name in self.jobs() or (folder / record.CANCEL).exists():
                continue
            if not (lives(mark) or lives(folder / record.PROCESS)):
                self.mark(folder)
                (folder / record.PROCESS).unlink(missing_ok=True)
                self.add(folder.name, facts["verb"], str(facts["params"].get("gpu", "auto")))


def lives(file: Path) -> bool:
    """Whether the process that a file of a job names is there."""
    known = record.load(file)
    try:
        born_s = psutil.Process(int(known["pid"])).create_time()
        return abs(born_s - float(known["create_time_s"])) < 2.0
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return False


def idle_s() -> float:
    """How long a process may have nothing to do."""
    try:
        return 60.0 * load_settings().worker_idle_min
    except BadInput as error:
        log.warning("%s", error.message)
        return 600.0
