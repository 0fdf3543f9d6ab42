"""The Training tab's own handlers: recordings whose voice gets its name later."""

from pathlib import Path
from typing import Any

import pytest

from rvc import jobs
from tabs import training


def dropped(home: Path, name: str = "new voice") -> Path:
    folder = home / "assets" / "datasets" / name
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"sound")
    return folder


def test_recordings_get_the_name_of_their_voice(home: Path) -> None:
    folder = dropped(home, "new voice 2")
    found = training.adopt("anna ", str(folder))
    assert found.value == str(folder.with_name("anna"))
    assert (folder.with_name("anna") / "a.wav").is_file()
    assert not folder.exists()


@pytest.mark.parametrize("name", [None, "", "  ", "../anna", "taken"])
def test_nothing_is_renamed_without_a_name_that_is_free(home: Path, name: str | None) -> None:
    folder = dropped(home)
    dropped(home, "taken")
    training.adopt(name, str(folder))
    assert (folder / "a.wav").is_file()
    assert len(list((home / "assets" / "datasets" / "taken").iterdir())) == 1


@pytest.mark.parametrize("name", ["carlo", "new voices", "my new voice"])
def test_a_set_that_has_a_name_keeps_it(home: Path, name: str) -> None:
    folder = dropped(home, name)
    training.adopt("anna", str(folder))
    assert folder.is_dir()


def test_recordings_that_are_being_trained_on_stay(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = dropped(home)
    running: dict[str, Any] = {"state": "running", "params": {"dataset_path": str(folder)}}
    monkeypatch.setattr(jobs, "listing", lambda: [running])
    training.adopt("anna", str(folder))
    assert folder.is_dir()
