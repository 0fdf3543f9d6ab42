"""Processes of the program find it from anywhere and end as each system ends them."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

from rvc import memory, processes
from rvc.config import REPOSITORY


class Process:
    """Notes what it is asked."""

    def __init__(self, reachable: bool = True) -> None:
        self.reachable = reachable
        self.asked: list[str] = []

    def send_signal(self, sig: int) -> None:
        self.asked.append(f"signal {sig}")
        if not self.reachable:
            raise OSError(87, "The parameter is incorrect")

    def terminate(self) -> None:
        self.asked.append("terminate")


def test_modules_are_found_from_any_folder_and_its_files_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger in the current folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    code = "import json, rvc.config; print(rvc.config.REPOSITORY)"
    if sys.version_info < (3, 11):
        code = f"import sys; sys.path.remove(''); {code}"
    done = subprocess.run(
        processes.line(["-c", code]), env=processes.environment(), capture_output=True, text=True
    )
    assert done.stdout.strip() == str(REPOSITORY), done.stderr
    assert processes.run(["-c", code], 60).stdout.decode().strip() == str(REPOSITORY)


def test_the_search_path_of_the_user_is_kept_behind_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{os.sep}theirs")
    found = processes.environment(OMP_NUM_THREADS="1")
    assert found["PYTHONPATH"].split(os.pathsep) == [str(REPOSITORY), f"{os.sep}theirs"]
    assert found["OMP_NUM_THREADS"] == "1"


def test_where_it_is_installed_nothing_is_put_before_the_standard_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(REPOSITORY)])
    assert "PYTHONPATH" not in processes.environment()


def test_a_relative_home_means_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RVC_HOME", "voices")
    code = "from rvc.config import paths; print(paths().root)"
    assert processes.run(["-c", code], 60).stdout.decode().strip() == str(tmp_path / "voices")


def test_a_process_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        processes.run(["-c", "import time; time.sleep(60)"], 0.5)


def test_windows_gets_a_group_of_its_own_without_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes.detachment() == {"start_new_session": True}
    monkeypatch.setattr(processes, "WINDOWS", True)
    flags = processes.detachment()["creationflags"]
    assert flags == 0x200 | 0x08000000  # CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW


def test_asking_politely(monkeypatch: pytest.MonkeyPatch) -> None:
    process, other = Process(), Process(reachable=False)
    processes.ask_to_end(process)
    monkeypatch.setattr(processes, "WINDOWS", True)
    processes.ask_to_end(process)
    processes.ask_to_end(other)  # on another console: cancel.json has to tell it
    assert process.asked == ["terminate", "signal 1"]
    assert other.asked == ["signal 1"]


def test_threads_wait_quietly_unless_somebody_wants_it_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(memory.WAITING, raising=False)
    assert processes.environment()[memory.WAITING] == "PASSIVE"
    memory.wait_quietly()
    assert os.environ[memory.WAITING] == "PASSIVE"
    monkeypatch.setenv(memory.WAITING, "ACTIVE")
    memory.wait_quietly()
    assert os.environ[memory.WAITING] == processes.environment()[memory.WAITING] == "ACTIVE"
