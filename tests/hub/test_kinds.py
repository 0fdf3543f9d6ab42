"""What came instead of a voice is called by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from rvc.errors import BadInput
from rvc.hub import foreign, safe
from tests import tiny

FOREIGN = {
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64,
    "web page": b"\xef\xbb\xbf\n <!DOCTYPE html><html><title>Sign in</title></html>",
    "zeros": bytes(5 << 20),
    "7z": b"7z\xbc\xaf\x27\x1c" + b"x" * 999,
    "RAR": b"Rar!\x1a\x07\x01\x00" + b"x" * 999,
    "gzip": b"\x1f\x8b\x08" + b"x" * 99,
    "recording": b"RIFF\0\0\0\0WAVE",
    "empty": b"",
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("name", ["v.pth", "v.safetensors", "v.zip", "v.rar"])
def test_each_thing_that_is_no_voice_is_named(tmp_path: Path, what: str, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(FOREIGN[what])
    with pytest.raises(BadInput, match=what) as told:
        safe.load(file)
    assert str(file) in told.value.message
    assert told.value.hint


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_half_a_download_is_said_to_be_cut_off(tmp_path: Path, share: float) -> None:
    whole = tiny.voice(tmp_path / "v.pth").read_bytes()
    (tmp_path / "v.pth").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BadInput, match="cut off"):
        safe.load(tmp_path / "v.pth")


def test_voices_and_archives_are_let_through(tmp_path: Path) -> None:
    foreign.refuse(tiny.voice(tmp_path / "v.pth"))
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as packed:
        packed.write(tmp_path / "v.pth", "v.pth")
    foreign.refuse(tmp_path / "v.zip")
