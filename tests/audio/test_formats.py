"""One list of endings: whatever the decoder opens here may come in by any way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc.audio import encode, formats, io

SOUNDFILE = {
    "wav": "WAV", "flac": "FLAC", "mp3": "MP3", "ogg": "OGG", "oga": "OGG", "aiff": "AIFF",
    "caf": "CAF", "w64": "W64", "rf64": "RF64", "au": "AU", "voc": "VOC", "sph": "NIST",
}  # fmt: skip


def test_endings_are_lower_case_and_none_comes_twice() -> None:
    assert len(set(formats.EXTENSIONS)) == len(formats.EXTENSIONS)
    assert all(e == e.lower() and e.startswith(".") for e in formats.EXTENSIONS)


@pytest.mark.parametrize("name", ["a.WAV", "Ünder.Mp3", "x/y.z/a.m4b", "voice.3gp"])
def test_case_and_folders_do_not_matter(name: str) -> None:
    assert formats.is_sound_name(name)
    assert formats.is_sound_name(Path(name))


@pytest.mark.parametrize("name", ["a.txt", "wav", ".wav", "a.wav.part", "a.pth", "a.png", "a"])
def test_what_is_no_recording_is_left_out(name: str) -> None:
    assert not formats.is_sound_name(name)


@pytest.mark.parametrize("ending", sorted(SOUNDFILE))
def test_what_the_reader_opens_is_in_the_list(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    soundfile.write(file, 0.1 * np.ones(16000, np.float32), 16000, format=SOUNDFILE[ending])
    assert formats.is_sound_name(file)
    assert abs(io.info(file).seconds - 1) < 0.1


def test_what_is_written_here_can_come_in_again() -> None:
    assert {f".{name.lower()}" for name in encode.FORMATS} == set(formats.PLAYED)
    assert {f".{name.lower()}" for name in encode.ALIASES} <= set(formats.EXTENSIONS)
