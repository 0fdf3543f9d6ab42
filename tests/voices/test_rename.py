"""A voice's new name reaches all that is called after it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rvc import params, tasks
from rvc.errors import BadInput, Busy
from rvc.voices import cards, library
from tests import tiny


def rename(old: str, new: str) -> dict[str, Any]:
    return tasks.run("rename-voice", params.RenameVoice(model_name=old, new_name=new))


@pytest.fixture
def anna(home: Path) -> Path:
    folder = home / "logs" / "anna"
    folder.mkdir(parents=True)
    tiny.voice(folder / "anna_3e_12s.pth")
    (folder / "anna.index").write_bytes(b"IwFl" + b"\x20\0\0\0")
    for name in ("annabel.txt", "config.json", "G_12.pth"):
        (folder / name).write_text("{}")
    return folder


def test_files_of_the_name_follow_and_others_stay(home: Path, anna: Path) -> None:
    rename("anna", "Zoë")
    assert not anna.exists()
    inside = {f.name for f in (home / "logs" / "Zoë").iterdir()}
    assert inside == {"Zoë_3e_12s.pth", "Zoë.index", "annabel.txt", "config.json", "G_12.pth"}
    voice = library.voices()[0]
    assert voice.name == "Zoë_3e_12s"
    assert voice.index is not None


def test_a_taken_name_is_refused_and_nothing_moves(home: Path, anna: Path) -> None:
    (home / "logs" / "bob").mkdir()
    before = sorted(f.name for f in anna.iterdir())
    for name, said in (("bob", "already"), ("anna", "already"), ("a/b", "cannot be used")):
        with pytest.raises(BadInput, match=said):
            rename("anna", name)
    assert sorted(f.name for f in anna.iterdir()) == before


def test_a_voice_that_is_worked_on_keeps_its_name(home: Path, anna: Path) -> None:
    from threading import Event, Thread

    from rvc.dataset import lock

    held, done = Event(), Event()

    def work() -> None:
        with lock.hold("anna"):
            held.set()
            done.wait(30)

    thread = Thread(target=work)
    thread.start()
    held.wait(30)
    with pytest.raises(Busy):
        rename("anna", "zoe")
    done.set()
    thread.join()
    assert (anna / "anna_3e_12s.pth").is_file()


def test_what_lies_loose_gets_a_folder(home: Path) -> None:
    logs = home / "logs"
    logs.mkdir()
    tiny.voice(logs / "bob.pth")
    assert not cards.cards()[0]["folder"]
    rename("bob", "rob")
    card = cards.cards()[0]
    assert (card["name"], card["folder"]) == ("rob", True)
    assert (logs / "rob" / "rob.pth").is_file()
