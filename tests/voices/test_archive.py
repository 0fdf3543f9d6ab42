"""Archives from strangers: nothing leaves the folder, nothing fills the disk."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from rvc.errors import BadInput
from rvc.voices import archive


def zipped(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def test_names_that_climb_out_are_written_to_names_of_our_own(tmp_path: Path) -> None:
    names = ["../../evil.pth", "/etc/evil.index", "C:\\Windows\\evil.pth", "a/b/c.pth"]
    path = zipped(tmp_path / "z.zip", dict.fromkeys(names, b"x" * 100))
    found = archive.unpack(path, tmp_path / "in")
    assert [f.name for f in found] == ["evil.pth", "evil.index", "evil.pth", "c.pth"]
    assert all(f.path.parent == tmp_path / "in" for f in found)
    every = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert every == {"z.zip"} | {f"in/{f.path.name}" for f in found}


def test_links_programs_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z.zip", {"run.py": b"1", "__MACOSX/._a.pth": b"1", "a.pth": b"1" * 9})
    with zipfile.ZipFile(path, "a") as out:
        link = zipfile.ZipInfo("link.pth")
        link.external_attr = 0o120777 << 16
        out.writestr(link, "/etc/passwd")
    assert [f.name for f in archive.unpack(path, tmp_path / "in")] == ["a.pth"]


def test_bombs_are_refused_before_they_unpack(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z.zip", {"a.pth": b"\0" * (20 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(BadInput, match="more than a voice"):
        archive.unpack(path, tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_a_member_longer_than_it_says_is_cut_off(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z.zip", {"a.pth": os.urandom(50_000)})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24  # the size in the directory
    data[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(BadInput):
        archive.unpack(path, tmp_path / "in")
    assert sum(p.stat().st_size for p in (tmp_path / "in").iterdir()) < 1000


@pytest.mark.parametrize("spoil", [b"", b"PK\x03\x04 nothing", b"PK" * 400])
def test_damaged_archives_are_named(tmp_path: Path, spoil: bytes) -> None:
    (tmp_path / "z.zip").write_bytes(spoil)
    with pytest.raises(BadInput, match=r"z\.zip"):
        archive.unpack(tmp_path / "z.zip", tmp_path / "in")
