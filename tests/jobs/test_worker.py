"""The warm process and what waits for it: order, cancel, crashes, restarts, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rvc import jobs, tasks
from rvc.config import Settings, save_settings
from rvc.jobs import queue as queues
from rvc.jobs.queue import Queue
from tests.jobs.fake_jobs import VERBS, Fake

LIMIT_S = 60.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RVC_HOME", str(tmp_path))
    monkeypatch.setattr(tasks, "VERBS", tasks.VERBS | VERBS)
    monkeypatch.setattr(jobs, "RUNNER", ["-m", "tests.jobs.fake_jobs"])
    monkeypatch.setattr(queues, "KEEP_HOUSE_S", 0.1)
    yield tmp_path
    for job in jobs.listing():
        jobs.cancel(job["id"], grace_s=0)


@pytest.fixture
def queue(home: Path) -> Iterator[Queue]:
    with jobs.serving() as opened:
        yield opened
        for job in jobs.listing():
            jobs.cancel(job["id"], grace_s=0)


def start(home: Path, verb: str, name: str = "a", steps: int = 1, step_s: float = 0.0) -> str:
    return jobs.start(verb, Fake(model_name=name, steps=steps, step_s=step_s, folder=home))


def wait(said: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT_S
    while not (found := said()):
        assert time.monotonic() < end, jobs.listing()
        time.sleep(0.02)
    return found


def until(job: str, *states: str) -> dict[str, Any]:
    wait(lambda: jobs.read(job)["state"] in states)
    return jobs.read(job)


def computing(job: str) -> None:
    wait(lambda: jobs.read(job)["total"] > 0)


def order(home: Path) -> list[str]:
    return (home / "order").read_text().split()


def test_one_process_does_all_jobs_in_their_order(home: Path, queue: Queue) -> None:
    made = [start(home, "convert", name) for name in "abcde"]
    results = [until(job, "done")["result"] for job in made]
    assert len({result["pid"] for result in results}) == 1
    assert results[0]["pid"] != os.getpid()
    assert order(home) == list("abcde")


def test_each_job_that_waits_knows_its_place(home: Path, queue: Queue) -> None:
    first = start(home, "convert", "a", 10_000, 0.01)
    computing(first)
    waiting = [start(home, "convert", name) for name in "bc"]
    assert jobs.read(first)["before"] is None
    found = [jobs.read(job) for job in waiting]
    assert [job["state"] for job in found] == ["queued", "queued"]
    assert [job["before"] for job in found] == [1, 2]
    assert jobs.cancel(waiting[0])["state"] == "cancelled"
    assert "had begun" in jobs.read(waiting[0])["error"]["message"]
    assert jobs.cancel(first)["state"] == "cancelled"
    assert until(waiting[1], "done")["before"] is None
    assert order(home) == ["c"]
    assert jobs.read(waiting[0])["state"] == "cancelled"


def test_a_polite_stop_keeps_the_process(home: Path, queue: Queue) -> None:
    pid = until(start(home, "convert"), "done")["result"]["pid"]
    job = start(home, "convert", "b", 10_000, 0.01)
    computing(job)
    began = time.monotonic()
    assert jobs.cancel(job)["state"] == "cancelled"
    assert time.monotonic() - began < jobs.WARM_GRACE_S + 1
    assert (home / "saved").read_text()
    assert until(start(home, "convert", "c"), "done")["result"]["pid"] == pid


def test_what_does_not_listen_is_ended_with_its_process_and_the_rest_goes_on(
    home: Path, queue: Queue
) -> None:
    stubborn = start(home, "load", "a")
    computing_nothing = start(home, "convert", "b", 10_000, 0.01)
    computing(computing_nothing)
    waiting = start(home, "convert", "c")
    assert jobs.cancel(stubborn)["state"] == "cancelled"
    assert until(computing_nothing, "failed")["error"]["message"]
    assert until(waiting, "done")


def test_a_crash_loses_only_what_was_computed(home: Path, queue: Queue) -> None:
    loading = start(home, "load", "a")
    until(loading, "running")
    crash = start(home, "crash", "b")
    later = start(home, "convert", "c")
    assert "without a word" in until(crash, "failed")["error"]["message"]
    assert until(later, "done")
    (home / "loaded").touch()
    assert until(loading, "done")
    assert order(home) == ["c", "a"]


def test_a_process_that_is_killed_is_replaced(home: Path, queue: Queue) -> None:
    job = start(home, "convert", "a", 10_000, 0.01)
    computing(job)
    waiting = start(home, "convert", "b")
    os.kill(queue.links["cpu"].process.pid, signal.SIGKILL)
    assert until(job, "failed")["error"]["message"]
    assert until(waiting, "done")


def test_nobody_waits_for_the_loading_of_another(home: Path, queue: Queue) -> None:
    loading = start(home, "load", "a")
    other = start(home, "convert", "b")
    assert until(other, "done")
    assert jobs.read(loading)["state"] == "running"
    (home / "loaded").touch()
    assert until(loading, "done")


def test_a_batch_lets_a_click_pass_and_goes_on(home: Path, queue: Queue) -> None:
    batch = start(home, "batch", "a", 300, 0.01)
    computing(batch)
    second = start(home, "batch", "b")
    click = start(home, "convert", "c")
    assert jobs.read(second)["before"] in (1, 2)
    assert until(click, "done")
    assert jobs.read(batch)["state"] in ("running", "queued")
    assert until(batch, "done")["result"]["steps"] == 300
    assert until(second, "done")
    assert order(home) == ["c", "a", "b"]


def test_a_batch_that_waits_can_be_stopped(home: Path, queue: Queue) -> None:
    batch = start(home, "batch", "a", 10_000, 0.01)
    computing(batch)
    click = start(home, "convert", "b", 10_000, 0.01)
    until(batch, "queued")
    assert jobs.read(batch)["done"] > 0
    assert jobs.cancel(batch)["state"] == "cancelled"
    assert jobs.read(click)["state"] == "running"


def test_a_job_finds_nothing_of_the_one_before(home: Path, queue: Queue) -> None:
    first = until(start(home, "look"), "done")["result"]
    leak = start(home, "leak")
    until(leak, "done")
    second = until(start(home, "look"), "done")["result"]
    third = until(start(home, "look"), "done")["result"]
    assert len({found.pop("random") for found in (first, second, third)}) == 3
    assert first == second == third
    assert "LEAKED" not in first["variables"]
    assert jobs.tail(leak) == "leaked"


def test_each_log_holds_its_own_job(home: Path, queue: Queue) -> None:
    job = start(home, "look")
    until(job, "done")
    assert "looked" in jobs.tail(job)
    refused = start(home, "look", "b")
    until(refused, "done")
    assert jobs.tail(refused).count("looked") == 1


def test_it_ends_when_it_had_long_nothing_to_do_and_comes_back(home: Path, queue: Queue) -> None:
    save_settings(Settings(worker_idle_min=0.1))
    pid = until(start(home, "convert"), "done")["result"]["pid"]
    queue.links["cpu"].busy_s -= 10.0
    wait(lambda: not psutil.pid_exists(pid))
    assert until(start(home, "convert"), "done")["result"]["pid"] != pid


def test_above_its_limit_of_memory_it_is_replaced(home: Path, queue: Queue) -> None:
    save_settings(Settings(worker_memory_mb=1))
    first = until(start(home, "convert"), "done")["result"]["pid"]
    wait(lambda: not queue.jobs())
    second = until(start(home, "convert"), "done")["result"]["pid"]
    assert first != second


def test_where_it_cannot_start_that_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RUNNER", ["-c", "raise SystemExit('no such library')"])
    with jobs.serving():
        error = until(start(home, "convert"), "failed")["error"]
    assert "no such library" in error["message"]


SERVER = """
import os, signal, sys, time
from pathlib import Path
from rvc import jobs, tasks
from tests.jobs.fake_jobs import VERBS, Fake
tasks.VERBS.update(VERBS)
jobs.RUNNER = ["-m", "tests.jobs.fake_jobs"]
with jobs.serving() as queue:
    home = Path(os.environ["RVC_HOME"])
    first = jobs.start("convert", Fake(model_name="a", steps=100, step_s=0.02, folder=home))
    while jobs.read(first)["total"] == 0:
        time.sleep(0.02)
    print(first, jobs.start("convert", Fake(model_name="b", folder=home)), flush=True)
    if sys.argv[1] == "power cut":
        os.kill(queue.links["cpu"].process.pid, signal.SIGKILL)
    if sys.argv[1] != "stopped":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_a_server_that_goes_loses_nothing(home: Path, end: str) -> None:
    line = [sys.executable, "-c", SERVER, end]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    running, waiting = done.stdout.split()
    assert jobs.read(running)["state"] == "running"
    assert jobs.read(waiting)["state"] == "queued"
    with jobs.serving():
        assert until(running, "done")["result"]["steps"] == 100
        assert until(waiting, "done")
    pids = {jobs.read(job)["result"]["pid"] for job in (running, waiting)}
    assert len(pids) == 2


def test_a_power_cut_loses_only_what_was_computed(home: Path) -> None:
    line = [sys.executable, "-c", SERVER, "power cut"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    running, waiting = done.stdout.split()
    with jobs.serving():
        assert "without a word" in until(running, "failed")["error"]["message"]
        assert until(waiting, "done")
    assert order(home) == ["b"]


def test_a_job_of_a_living_server_is_left_to_it(home: Path) -> None:
    with jobs.serving():
        job = start(home, "load", "a")
        until(job, "running")
        with jobs.serving():  # another
            time.sleep(0.5)
        (home / "loaded").touch()
        wait(lambda: jobs.read(job)["state"] == "done")
    assert order(home) == ["a"]


def test_a_server_is_never_taken_for_a_job(home: Path, queue: Queue) -> None:
    first = start(home, "convert", "a", 10_000, 0.01)
    computing(first)
    waiting = start(home, "convert", "b")
    owner = json.loads((home / ".cache" / "jobs" / waiting / "queued.json").read_text())
    assert owner["pid"] == os.getpid()
    jobs.cancel(waiting, grace_s=0)
    assert psutil.pid_exists(os.getpid())
