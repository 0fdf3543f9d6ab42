"""What Windows, macOS and odd file systems do, simulated at the one place where we meet it.

docs/platforms.md lists these and says what was seen really running.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
from pathlib import Path

import numpy as np
import pytest

from rvc import config, files, hub
from rvc.audio import stream
from rvc.errors import BadInput, Busy
from rvc.failures import explain

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["CON", "nul", "Com1", "LPT9", "aux.v2", "COM¹", "con .x"])
def test_names_of_devices_are_refused(home: Path, name: str) -> None:
    with pytest.raises(BadInput, match="device"):
        config.experiment(name)


@pytest.mark.parametrize("name", ["console", "COM10", "auxiliary", "null", "my con"])
def test_names_that_only_begin_so_are_not(home: Path, name: str) -> None:
    assert config.experiment(name).name == name


def test_a_voice_that_has_such_a_name_already_goes_on_where_it_can(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "logs" / "aux").mkdir(parents=True)
    assert config.experiment("aux").is_dir()
    monkeypatch.setattr(files, "WINDOWS", True)
    with pytest.raises(BadInput, match="device"):
        config.experiment("aux")


def test_a_mapped_file_that_cannot_be_replaced_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"mapped")

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file", str(target))

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "RETRY_S", 0.0)
    monkeypatch.setattr(files, "rename", refuse)
    with pytest.raises(files.InUse) as caught:
        files.write_bytes(graph, b"new")
    found = explain(caught.value)
    assert isinstance(found, Busy)
    assert str(graph) in found.message
    assert graph.read_bytes() == b"mapped"


def test_long_sounds_lie_in_the_cache_and_not_in_memory(home: Path) -> None:
    with stream.Spool() as sound:
        sound.append(np.ones(stream.IN_MEMORY, np.float32))
        assert sound.folder == home / ".cache"
        assert sound.folder.is_dir()
        assert sound.read(5, 7).tolist() == [1.0, 1.0]


def test_a_cache_that_cannot_be_written_is_done_without(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".cache").write_text("a file where a folder belongs")
    monkeypatch.setattr(stream.tempfile, "tempdir", str(tmp_path))  # type: ignore[attr-defined]
    with stream.Spool() as sound:
        sound.append(np.ones(stream.IN_MEMORY, np.float32))
        assert sound.folder == tmp_path


def test_a_full_disk_under_a_long_sound_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stream.Spool() as sound:

        class Full:
            def seek(self, place: int, whence: int) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            def close(self) -> None:
                """Nothing to close."""

        monkeypatch.setattr(sound, "file", Full())
        with pytest.raises(OSError, match="No space") as caught:
            sound.append(np.ones(9, np.float32))
        assert str(home / ".cache") in str(caught.value.filename)


def remember(home: str, names: list[str]) -> None:
    os.environ["RVC_HOME"] = home
    for name in names:
        hub.sha256(Path(name))


def test_two_processes_remember_all_digests(home: Path, tmp_path: Path) -> None:
    names = [str(tmp_path / f"{n}.bin") for n in range(60)]
    for name in names:
        Path(name).write_bytes(name.encode())
    spawn = multiprocessing.get_context("spawn")
    halves = [spawn.Process(target=remember, args=(str(home), names[n::2])) for n in range(2)]
    for half in halves:
        half.start()
    for half in halves:
        half.join(60)
    read: list[int] = []
    for name in names:
        hub.sha256(Path(name), read.append)
    assert read == []  # not one had to be read again
    Path(names[0]).write_bytes(b"changed")
    hub.sha256(Path(names[0]), read.append)
    assert read == [7]


def test_every_simulation_that_is_listed_is_there() -> None:
    text = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
    listed = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(listed) > 10
    for file, name in listed:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), (file, name)
