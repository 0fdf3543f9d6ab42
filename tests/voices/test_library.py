"""The list of voices: quick however many there are, and never out of date."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from rvc.config import KIT
from rvc.voices import library

OLD_S = 60.0


def add(logs: Path, name: str) -> Path:
    folder = logs / name
    folder.mkdir(parents=True)
    for ending in ("pth", "index"):
        shutil.copyfile(KIT / "demo" / f"demo.{ending}", folder / f"{name}.{ending}")
    then = time.time() - OLD_S
    os.utime(folder, (then, then))
    return folder


@pytest.fixture(params=[100])
def logs(home: Path, request: pytest.FixtureRequest) -> Path:
    for number in range(request.param):
        add(home / "logs", f"voice{number}")
    then = time.time() - OLD_S
    os.utime(home / "logs", (then, then))
    return home / "logs"


def test_a_hundred_voices_are_listed_in_no_time(logs: Path) -> None:
    slices = logs / "voice0" / "sliced_audios"
    slices.mkdir()
    for number in range(3000):
        (slices / f"{number}.wav").touch()
    found = library.voices()
    assert len(found) == 100
    assert all(v.index and v.index.parent == v.pth.parent for v in found)
    took = []
    for _ in range(5):
        began = time.process_time()
        assert library.voices() == found
        took.append(time.process_time() - began)
    assert min(took) <= 0.05


@pytest.mark.parametrize("logs", [10], indirect=True)
def test_what_changes_is_seen_at_once(logs: Path) -> None:
    library.voices()
    add(logs, "new")
    assert "new" in {v.name for v in library.voices()}
    shutil.rmtree(logs / "voice7")
    (logs / "voice8" / "voice8.index").unlink()
    (logs / "voice9" / "voice9.pth").write_bytes(b"")
    found = {v.name: v for v in library.voices()}
    assert "voice7" not in found
    assert found["voice8"].index is None


def test_voices_lie_in_logs_in_a_folder_or_in_one_below(home: Path) -> None:
    logs = add(home / "logs", "a").parent
    shutil.copyfile(KIT / "demo" / "demo.pth", logs / "top.pth")
    add(logs / "a", "below")
    add(logs / "a" / "below", "deep")
    add(logs, ".hidden")
    assert {v.name for v in library.voices()} == {"a", "top", "below"}
