"""Errors of the system become the sentence that is true, with the documented exit code."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from rvc import errors, files
from rvc.failures import explain

Usage = namedtuple("Usage", "total used free")


def os_error(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(errno.ECONNRESET, "reset"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        TimeoutError(errno.ETIMEDOUT, "timed out"),
        socket.gaierror(-2, "Name or service not known"),
    ],
)
def test_connections_are_not_disks(error: OSError) -> None:
    found = explain(error)
    assert isinstance(found, errors.DownloadFailed)
    assert "disk" not in found.message + found.hint


def test_errors_of_web_libraries_are_connections() -> None:
    requests = pytest.importorskip("requests")
    found = explain(requests.exceptions.ChunkedEncodingError("broken off"))
    assert isinstance(found, errors.DownloadFailed)
    assert "broken off" in found.message


def deny(monkeypatch: pytest.MonkeyPatch, path: Path, mode: int) -> None:
    """Take a permission away, also from an administrator, who would have it nevertheless."""
    allowed = os.access

    def access(asked: str | Path, wanted: int) -> bool:
        return not (Path(asked) == path and wanted & mode) and allowed(asked, wanted)

    monkeypatch.setattr(os, "access", access)


def test_what_may_not_be_read_is_not_called_unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.wav"
    file.touch()
    deny(monkeypatch, file, os.R_OK)
    found = explain(os_error(errno.EACCES, str(file)))
    assert found.message == f"Not allowed to read {file}."
    assert found.exit_code == 3


def test_what_may_not_be_written_is_not_called_unreadable(tmp_path: Path) -> None:
    for file in (tmp_path / "new.wav", tmp_path):
        found = explain(os_error(errno.EACCES, str(file)))
        assert found.message == f"Not allowed to write {file}."
        assert found.exit_code == 8


def test_a_closed_folder_on_the_way_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny(monkeypatch, tmp_path, os.X_OK)
    found = explain(os_error(errno.EACCES, str(tmp_path / "a" / "b.wav")))
    assert found.message == f"Not allowed to look into {tmp_path}."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_folder_for_temporary_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    full = explain(os_error(number, str(tmp_path / "other")))
    assert str(tmp_path) in full.message
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 21, 1 << 21, 0))
    for name in (None, str(tmp_path / "spool")):
        found = explain(os_error(number, name))
        assert isinstance(found, errors.StorageFailed)
        assert f"temporary files, {tmp_path}" in found.message
        assert "TMPDIR" in found.hint
    other = explain(os_error(number, "/elsewhere/a.wav"))
    assert other.message == "No space left while writing /elsewhere/a.wav."


def test_paths_that_are_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(explain(os_error(errno.ENAMETOOLONG, "a" * 300)), errors.BadInput)
    path = "C:\\" + "folder\\" * 50 + "a.wav"
    missing = explain(os_error(errno.ENOENT, path))
    assert "does not exist" in missing.message
    monkeypatch.setattr(files, "WINDOWS", True)  # which calls it missing
    found = explain(os_error(errno.ENOENT, path))
    assert "too long" in found.message
    assert found.exit_code == 3


def test_a_file_that_another_program_has_open() -> None:
    found = explain(files.InUse(errno.EACCES, "another program has it open", "a.onnx"))
    assert isinstance(found, errors.Busy)
    assert found.message == "a.onnx is open in another program."


def test_a_file_in_the_place_of_a_folder_and_the_other_way_round() -> None:
    assert "in the place of a folder" in explain(os_error(errno.ENOTDIR, "logs/a")).message
    assert "is a folder" in explain(os_error(errno.EISDIR, "logs")).message
    assert "Too many files" in explain(os_error(errno.EMFILE)).message
    assert "does not exist" in explain(os_error(errno.ENOENT, "a.wav")).message
