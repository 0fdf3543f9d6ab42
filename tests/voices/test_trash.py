"""A deleted voice can be had back, whole, until somebody empties the trash."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from rvc import params, tasks
from rvc.errors import BadInput
from rvc.voices import library, trash
from tests import tiny
from tests.conftest import Cli


def delete(name: str) -> dict[str, Any]:
    return tasks.run("delete-voice", params.DeleteVoice(model_name=name, confirm=name))


def restore(name: str) -> dict[str, Any]:
    return tasks.run("restore-voice", params.RestoreVoice(model_name=name))


def give(home: Path, name: str, seed: int = 0) -> Path:
    folder = home / "logs" / name
    folder.mkdir(parents=True)
    return tiny.voice(folder / f"{name}.pth", seed=seed)


def listed() -> list[str]:
    return [v.name for v in library.voices()]


def test_what_was_deleted_comes_back_as_it_was(home: Path, cli: Cli) -> None:
    file = give(home, "anna")
    (file.parent / "picture.png").write_bytes(b"a picture")
    before = file.read_bytes()
    said = delete("anna")["message"]
    assert "restore-voice --model-name 'anna'" in said
    assert listed() == []
    assert not file.exists()
    rows = cli("voices", "--trash", "--json").json["voices"]
    assert [(r["name"], r["bytes"]) for r in rows] == [("anna", len(before) + 9)]
    assert "anna" in cli("voices", "--trash").out
    assert cli("restore-voice", "--model-name", "anna").code == 0
    assert file.read_bytes() == before
    assert (file.parent / "picture.png").read_bytes() == b"a picture"
    assert listed() == ["anna"]
    assert trash.entries() == []
    assert list(trash.place().iterdir()) == []


def test_of_two_deleted_voices_of_one_name_the_last_comes_first(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    for number, now_s in enumerate((1e9, 2e9)):
        kept.append(give(home, "anna", seed=number).read_bytes())
        monkeypatch.setattr(time, "time", lambda now_s=now_s: now_s)
        monkeypatch.setattr(trash, "KEPT_DAYS", 100_000)
        delete("anna")
    restore("anna")
    file = home / "logs" / "anna" / "anna.pth"
    assert file.read_bytes() == kept[1]
    with pytest.raises(BadInput, match="another anna"):
        restore("anna")
    assert file.read_bytes() == kept[1]
    delete("anna")
    restore("anna")
    delete("anna")
    assert len(trash.entries()) == 2


def test_files_that_lie_loose_are_deleted_and_restored_together(home: Path) -> None:
    logs = home / "logs"
    logs.mkdir()
    tiny.voice(logs / "bob.pth")
    (logs / "bob.index").write_bytes(b"IwFl")
    tiny.voice(logs / "bobby.pth")
    delete("bob")
    assert listed() == ["bobby"]
    restore("bob")
    assert listed() == ["bob", "bobby"]
    assert (logs / "bob.index").read_bytes() == b"IwFl"


def test_only_emptying_or_time_deletes_for_good(home: Path) -> None:
    give(home, "anna")
    give(home, "bob")
    delete("anna")
    entry = trash.entries()[0].folder
    old = entry.with_name(f"{int(time.time()) - 29 * 86400}-{'a' * 6}")
    entry.rename(old)
    delete("bob")
    assert {e.name for e in trash.entries()} == {"anna", "bob"}
    done = tasks.run("empty-trash", params.EmptyTrash(days=7))
    assert done["voices"] == 1
    assert done["bytes"] > 0
    assert [e.name for e in trash.entries()] == ["bob"]
    entry = trash.entries()[0].folder
    os.rename(entry, entry.with_name(f"{int(time.time()) - 31 * 86400}-{'b' * 6}"))
    give(home, "carl")
    delete("carl")
    assert [e.name for e in trash.entries()] == ["carl"]
    assert tasks.run("empty-trash", params.EmptyTrash())["voices"] == 1
    with pytest.raises(BadInput, match="no deleted voice bob"):
        restore("bob")


def test_what_is_not_there_or_not_confirmed_stays(home: Path) -> None:
    give(home, "anna")
    with pytest.raises(BadInput, match="no voice dora"):
        delete("dora")
    with pytest.raises(BadInput, match="not confirmed"):
        tasks.run("delete-voice", params.DeleteVoice(model_name="anna", confirm="an"))
    assert listed() == ["anna"]
    assert trash.entries() == []
