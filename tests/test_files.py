"""Files appear whole or not at all, whatever the disk, the folder or another program does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rvc import files
from tests import disk

ROOT = Path(__file__).parents[1]


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def refuse(number: int, times: int = 10**9) -> Callable[..., None]:
    """An `os` function that fails with an error number for some times, then does its work."""
    left = [times]

    def failing(*given: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(number, os.strerror(number))
        os.replace(*given)

    return failing


def test_text_bytes_and_json_come_back(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "é\nb")
    assert (tmp_path / "a").read_bytes() == "é\nb".encode()
    files.write_json(tmp_path / "b", {"ключ": [1]}, durable=False)
    assert files.read_json(tmp_path / "b") == {"ключ": [1]}
    files.write_json(tmp_path / "b", {"n": 2})
    assert files.read_json(tmp_path / "b") == {"n": 2}
    assert names(tmp_path) == ["a", "b"]


def test_a_byte_order_mark_is_not_damage(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'\xef\xbb\xbf{"n": 1}')
    assert files.read_json(tmp_path / "a") == {"n": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe{\0", b"\0" * 512])
def test_damaged_json_is_one_kind_of_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011 - json, unicode and ours are all of this kind
        files.read_json(tmp_path / "a")


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / ("ü" * 125 + ".json")
    assert len(file.name.encode()) == 255
    files.write_json(file, {"n": 1})
    assert files.read_json(file) == {"n": 1}


def test_the_old_file_survives_a_failing_writer(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")

    def write() -> None:
        with files.replacing(file) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a"]


@disk.linux
def test_a_full_disk_is_named_by_the_files_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.fill(monkeypatch, "a")
    with pytest.raises(OSError, match="No space") as caught:
        files.write_text(tmp_path / "a", "new")
    assert caught.value.filename == str(tmp_path / "a")
    assert names(tmp_path) == []


def test_a_missing_folder_is_named_by_the_files_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(tmp_path / "none" / "a", "new")
    assert caught.value.filename == str(tmp_path / "none" / "a")


def test_what_a_writer_reads_keeps_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, files.replacing(tmp_path / "a") as part:
        part.write_bytes((tmp_path / "source").read_bytes())
    assert caught.value.filename == str(tmp_path / "source")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_folders_without_fsync_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number))
    files.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES])
def test_folders_that_cannot_be_opened_or_synchronised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number))
    files.sync_folder(tmp_path)
    monkeypatch.setattr(os, "open", refuse(number))
    files.sync_folder(tmp_path)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fails_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    files.write_text(tmp_path / "a", "old")
    monkeypatch.setattr(os, "fsync", refuse(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        files.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_windows_waits_while_somebody_reads_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_text(tmp_path / "a", "old")
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "RETRY_S", 0.001)
    monkeypatch.setattr(files, "rename", refuse(errno.EACCES, times=files.RETRIES))
    files.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


def test_windows_says_that_a_file_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_text(tmp_path / "a", "old")
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "RETRY_S", 0.001)
    monkeypatch.setattr(files, "rename", refuse(errno.EACCES))
    with pytest.raises(files.InUse) as caught:
        files.write_text(tmp_path / "a", "new")
    assert caught.value.filename == str(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_elsewhere_a_refusal_is_final_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "WINDOWS", False)
    monkeypatch.setattr(files, "rename", refuse(errno.EACCES, times=1))
    with pytest.raises(PermissionError) as caught:
        files.write_text(tmp_path / "a", "new")
    assert not isinstance(caught.value, files.InUse)


def test_many_processes_write_one_file_and_nobody_reads_half(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from rvc import files
        for n in range(200):
            files.write_json(Path({str(tmp_path / "a")!r}), {{"n": [n] * 500}}, durable=False)
    """)
    files.write_json(tmp_path / "a", {"n": [0] * 500})
    writers = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    try:
        while any(writer.poll() is None for writer in writers):
            assert len(set(files.read_json(tmp_path / "a")["n"])) == 1
        assert [writer.wait() for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert names(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_removed_when_old(tmp_path: Path) -> None:
    old, new = files.temporary(tmp_path / "a"), files.temporary(tmp_path / "a", ".part.onnx")
    for part in (old, new):
        part.touch()
    os.utime(old, (time.time() - files.STALE_S - 60,) * 2)
    (tmp_path / "kept.part").touch()
    files.remove_stale(tmp_path)
    assert names(tmp_path) == sorted([new.name, "kept.part"])
    files.remove_stale(tmp_path, older_than_s=0)
    assert names(tmp_path) == ["kept.part"]
