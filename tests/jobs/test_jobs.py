"""Jobs: own process, progress, cancel within five seconds, and nothing lost in between."""

from __future__ import annotations

import calendar
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rvc import files, jobs, processes, tasks
from rvc.errors import BadInput, Busy
from rvc.jobs import record, report
from rvc.jobs.report import Progress
from tests.jobs.fake_jobs import VERBS, Fake


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RVC_HOME", str(tmp_path))
    monkeypatch.setattr(tasks, "VERBS", tasks.VERBS | VERBS)
    monkeypatch.setattr(jobs, "RUNNER", ["-m", "tests.jobs.fake_jobs"])
    yield tmp_path
    for job in jobs.listing():
        jobs.cancel(job["id"], grace_s=0)


def until(job: str, *states: str, limit_s: float = 15.0) -> dict[str, Any]:
    end = time.monotonic() + limit_s
    while (now := jobs.read(job))["state"] not in states:
        assert time.monotonic() < end, now
        time.sleep(0.05)
    return now


def running(job: str, limit_s: float = 15.0) -> None:
    """Wait until the job has reported something."""
    end = time.monotonic() + limit_s
    while jobs.read(job)["total"] == 0:
        assert time.monotonic() < end, jobs.read(job)
        time.sleep(0.05)


def test_a_job_ends_with_its_result(home: Path) -> None:
    job = jobs.start("count", Fake(steps=3, folder=home))
    found = until(job, "done")
    assert found["result"] == {"message": "Counted to 3.", "steps": 3}
    assert found["done"] == found["total"] == 3
    assert found["params"]["steps"] == 3
    assert jobs.listing()[0]["id"] == job


def test_progress_gives_the_time_left(home: Path) -> None:
    job = jobs.start("count", Fake(steps=100, step_s=0.05, folder=home))
    running(job)
    time.sleep(1.0)
    now = jobs.read(job)
    left_s = (now["total"] - now["done"]) * 0.05
    assert now["state"] == "running"
    assert now["note"] == "counting"
    assert now["eta_s"] == pytest.approx(left_s, rel=0.3)


def test_cancel_saves_and_stops_promptly(home: Path) -> None:
    job = jobs.start("count", Fake(steps=10_000, folder=home))
    running(job)
    began = time.monotonic()
    found = jobs.cancel(job)
    assert time.monotonic() - began < 2
    assert found["state"] == "cancelled"
    assert found["error"]["error"] == "cancelled"
    assert int((home / "saved").read_text()) > 0


def test_cancel_ends_a_stubborn_tree_and_nothing_else(home: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        job = jobs.start("stubborn", Fake(folder=home))
        end = time.monotonic() + 15
        while not (home / "pids").exists():
            assert time.monotonic() < end, jobs.tail(job)
            time.sleep(0.05)
        time.sleep(0.1)
        pids = [int(p) for p in (home / "pids").read_text().split()]
        assert all(psutil.pid_exists(p) for p in pids)
        began = time.monotonic()
        assert jobs.cancel(job)["state"] == "cancelled"
        assert time.monotonic() - began < 5
        assert not any(_alive(p) for p in pids)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_stop_does_not_wait_for_a_slow_step_and_says_what_is_done_again(home: Path) -> None:
    job = jobs.start("slow_step", Fake(model_name="anna"))
    running(job)
    began = time.monotonic()
    found = jobs.cancel(job)
    assert 3 < time.monotonic() - began < 5
    assert found["state"] == "cancelled"
    assert "Step 36 of epoch 3 is saved; the 5 steps after it" in found["error"]["message"]
    assert jobs.start("count", Fake(model_name="anna", steps=1)) != job  # nobody holds the voice


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_planted_pid_is_never_touched(home: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        job = jobs.start("count", Fake(steps=1, folder=home))
        until(job, "done")
        folder = home / ".cache" / "jobs" / job
        born_s = psutil.Process(bystander.pid).create_time()
        (folder / "pid.json").write_text(
            json.dumps({"pid": bystander.pid, "create_time_s": born_s})
        )
        (folder / "status.json").write_text('{"state": "running"}')
        assert jobs.cancel(job)["state"] != "running"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_errors_carry_sentence_hint_code_and_cause(home: Path) -> None:
    error = until(jobs.start("refuse", Fake()), "failed")["error"]
    assert error == {
        "error": "bad_input",
        "message": "noise.txt is not a recording.",
        "hint": "Choose a sound file.",
        "cause": "not sound at all",
    }


def test_an_unforeseen_error_is_more_than_a_word(home: Path) -> None:
    error = until(jobs.start("stumble", Fake()), "failed")["error"]
    assert "ZeroDivisionError: oops" in error["message"]
    assert "tests/jobs/fake_jobs.py" in error["cause"]
    assert error["hint"]


def test_jobs_of_one_second_stand_in_the_order_in_which_they_were_asked_for() -> None:
    asked = []
    for verb in ("infer", "tts", "batch-infer", "cover") * 20:
        asked.append(record.new_id(verb))
        time.sleep(0.001)
    assert sorted(asked, key=record.age) == asked
    assert all(record.ID.fullmatch(job) for job in asked)


def test_a_dead_process_is_noticed(home: Path) -> None:
    error = until(jobs.start("die", Fake()), "failed")["error"]
    assert "without a word" in error["message"]


def test_one_job_per_voice(home: Path) -> None:
    job = jobs.start("count", Fake(model_name="anna", steps=1000, folder=home))
    with pytest.raises(Busy, match="anna"):
        jobs.start("count", Fake(model_name="anna"))
    running(job)
    with pytest.raises(Busy, match="anna"):
        tasks.run("count", Fake(model_name="anna"))
    other = jobs.start("count", Fake(model_name="ben", steps=1, folder=home))
    assert until(other, "done")
    jobs.cancel(job)
    assert tasks.run("count", Fake(model_name="anna", steps=1))["steps"] == 1


def test_a_job_survives_the_process_that_started_it(home: Path) -> None:
    code = (
        "import sys; from rvc import jobs; from tests.jobs.fake_jobs import Fake;"
        "jobs.RUNNER = ['-m', 'tests.jobs.fake_jobs'];"
        "print(jobs.start('count', Fake(steps=60, step_s=0.05)), flush=True);"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    job = done.stdout.strip()
    running(job)
    assert jobs.read(job)["state"] == "running"
    assert until(job, "done")["result"]["steps"] == 60


def test_names_cannot_leave_the_jobs_folder(home: Path) -> None:
    for name in ("../jobs", "..", "/etc", "a/b", "nothing-here"):
        with pytest.raises(BadInput):
            jobs.read(name)


def test_old_finished_jobs_are_forgotten(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEEP", 2)
    names = []
    for _ in range(3):
        names.append(jobs.start("count", Fake(steps=1, step_s=0)))
        until(names[-1], "done")
        time.sleep(1.0)
    jobs.start("count", Fake(steps=1, step_s=0))
    assert len(jobs.listing(10)) <= 3
    assert names[0] not in [j["id"] for j in jobs.listing(10)]


DAMAGE = {
    "empty": b"", "half": b'{"id": "x", "ver', "a list": b"[]", "zeros": bytes(99),
    "no keys": b"{}", "no numbers": b'{"created_s": "x", "pid": "x", "done": []}',
    "no texts": b'{"verb": 1, "params": [], "state": 7}',
    "another state": b'{"state": "resting"}',
}  # fmt: skip


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("name", ["job.json", "status.json", "pid.json", "cancel.json"])
def test_a_damaged_file_hides_at_most_its_own_job(home: Path, name: str, content: bytes) -> None:
    good = folder_of(home, "20300101-000001-count-bbbbbb", state="done")
    bad = folder_of(home, "20300101-000000-count-aaaaaa", state="running")
    (bad / name).write_bytes(content)
    found = jobs.listing()
    assert [job["id"] for job in found] == [good.name, bad.name]
    assert found[0]["state"] == "done"
    assert found[1]["verb"] == "count"
    assert found[1]["state"] in ("failed", "cancelled")
    assert found[1]["error"]["message"]
    assert until(jobs.start("count", Fake(model_name="anna", steps=1)), "done")


def folder_of(home: Path, job: str, state: str) -> Path:
    """A job as a power cut leaves it: its process is gone."""
    folder = home / ".cache" / "jobs" / job
    folder.mkdir(parents=True)
    values = {"id": job, "verb": "count", "params": {"model_name": "anna"}, "created_s": 1.0}
    (folder / "job.json").write_text(json.dumps(values))
    (folder / "status.json").write_text(json.dumps({"state": state}))
    (folder / "pid.json").write_text(json.dumps({"pid": 0, "create_time_s": 0.0}))
    return folder


def test_what_a_finished_job_says_needs_no_look_at_processes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = folder_of(home, "20300101-000000-count-aaaaaa", state="done").name

    def look(pid: int) -> None:
        raise AssertionError("nobody needs to know")

    monkeypatch.setattr(psutil, "Process", look)
    assert [found["id"] for found in jobs.listing()] == [job]


def test_ids_are_in_universal_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # 14 hours ahead
    time.tzset()
    try:
        job = jobs.start("count", Fake(steps=1, step_s=0))
        then = calendar.timegm(time.strptime(job[:15], "%Y%m%d-%H%M%S"))
        assert abs(then - time.time()) < 60
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


class Refusing:
    """Windows while somebody has a file open: so many replacements of it fail."""

    def __init__(self, name: str, times: int) -> None:
        self.name, self.left = name, times

    def __call__(self, source: Any, target: Any) -> None:
        if str(target).endswith(self.name) and self.left > 0:
            self.left -= 1
            raise PermissionError(13, "The process cannot access the file", str(target))
        os.replace(source, target)


def test_progress_that_cannot_be_written_waits_for_the_next(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(home, "20300101-000000-count-aaaaaa", state="starting")
    monkeypatch.setattr(files, "rename", Refusing("status.json", times=3))
    progress = Progress(folder)
    for done in range(4):
        progress.written = 0.0
        progress(done, 10, "counting")
    assert jobs.record.load(folder / "status.json")["done"] == 3
    monkeypatch.setattr(files, "rename", Refusing("status.json", times=3))
    monkeypatch.setattr(report, "LAST_RETRY_S", 0.001)
    progress.end("done", result={"message": "Counted."})
    assert jobs.read(folder.name)["state"] == "done"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_every_polite_signal_ends_a_job_as_cancelled(home: Path, name: str) -> None:
    job = jobs.start("count", Fake(steps=10_000, folder=home))
    running(job)
    pid = json.loads((home / ".cache" / "jobs" / job / "pid.json").read_text())["pid"]
    os.kill(pid, getattr(signal, name))
    found = until(job, "cancelled")
    assert found["error"]["error"] == "cancelled"


def test_on_windows_a_job_is_told_by_its_file_as_well(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.start("count", Fake(steps=10_000, folder=home))
    running(job)
    monkeypatch.setattr(processes, "WINDOWS", True)  # Ctrl-Break does not reach its console:
    monkeypatch.setattr(processes, "CTRL_BREAK", 0)  # signal 0 does nothing
    found = jobs.cancel(job)
    assert found["state"] == "cancelled"
    assert int((home / "saved").read_text()) > 0
