"""Sound survives every format; every bad file is one sentence that names it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
import soundfile

from rvc.audio import encode, io
from rvc.errors import BadInput, VoiceError

RATE = 16000


def tone(
    seconds: float = 1.0, rate: int = RATE, hz: float = 440.0, level: float = 0.5
) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def bursts(rate: int = 48000) -> np.ndarray:
    """A second with a 1 kHz burst in the middle: its place shows any delay."""
    wave = tone(1.0, rate, 1000) * 0
    wave[rate // 2 : rate // 2 + rate // 50] = tone(1 / 50, rate, 1000, 0.8)
    return wave


@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3", "OGG", "OPUS", "M4A"])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_comes_back_in_time_and_level(
    tmp_path: Path, format: str, channels: int
) -> None:
    wave = np.stack([bursts()] * channels, axis=1)
    path = tmp_path / f"a.{format.lower()}"
    assert io.save(path, wave, 48000) == 48000
    back, rate = io.load(path, mono=False)
    assert rate == 48000
    assert back.shape[1] == channels
    assert 0 <= len(back) - len(wave) <= (1024 if format == "M4A" else 0)
    back = back[: len(wave)]
    lag = np.correlate(back[20000:28000, 0], wave[22000:26000, 0], "valid").argmax() - 2000
    assert abs(lag) <= 1
    assert np.sqrt(np.mean((back - wave) ** 2)) < 0.1 * np.sqrt(np.mean(wave**2))
    assert io.info(path).channels == channels


@pytest.mark.parametrize(("bits", "step"), [(16, 2**-15), (24, 2**-23), (32, 1e-9)])
def test_bit_depth_is_honoured(tmp_path: Path, bits: int, step: float) -> None:
    wave = tone()
    io.save(tmp_path / "a.wav", wave, RATE, bits=bits)
    back, _ = io.load(tmp_path / "a.wav")
    assert io.info(tmp_path / "a.wav").bits == bits
    assert np.abs(back - wave).max() <= step


def test_too_loud_is_scaled_never_clipped(tmp_path: Path) -> None:
    io.save(tmp_path / "a.wav", tone(level=3.0), RATE)
    back, _ = io.load(tmp_path / "a.wav")
    assert np.corrcoef(back, tone())[0, 1] > 0.99999
    assert np.abs(back).max() <= 1


@pytest.mark.parametrize(("format", "rate"), [("MP3", 44100), ("OPUS", 48000), ("FLAC", 40000)])
def test_rates_a_format_lacks_become_the_next_one(tmp_path: Path, format: str, rate: int) -> None:
    path = tmp_path / f"a.{format.lower()}"
    assert io.save(path, tone(rate=40000), 40000) == rate
    assert io.info(path).seconds == pytest.approx(1, abs=1e-4)


def test_resampling_keeps_pitch_and_length(tmp_path: Path) -> None:
    io.save(tmp_path / "a.wav", tone(rate=44100), 44100)
    wave, rate = io.load(tmp_path / "a.wav", 16000)
    assert rate == 16000
    assert len(wave) == 16000
    assert np.abs(np.fft.rfft(wave)).argmax() == 440


def test_channels_are_averaged_or_kept(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(), tone() * 0.5], 1), RATE)
    assert np.abs(io.load(tmp_path / "a.wav")[0]).max() == pytest.approx(0.375, abs=1e-3)
    assert io.load(tmp_path / "a.wav", mono=False)[0].shape == (RATE, 2)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a"])
def test_blocks_in_a_row_are_the_whole_file(tmp_path: Path, name: str) -> None:
    io.save(tmp_path / name, tone(3.3), RATE)
    whole, _ = io.load(tmp_path / name)
    found = list(io.blocks(tmp_path / name, block_s=0.5))
    assert len(found) >= 4
    assert [b.start for b in found][1:] == list(np.cumsum([len(b.wave) for b in found])[:-1])
    np.testing.assert_array_equal(np.concatenate([b.wave for b in found]), whole)
    part = np.concatenate([b.wave for b in io.blocks(tmp_path / name, start=9000, stop=20000)])
    np.testing.assert_allclose(part, whole[9000:20000], atol=1e-6)


@pytest.mark.parametrize("name", ["日本 語.wav", "ñ ' \" x.flac", "a b.m4a"])
def test_any_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "dir ' 語"
    io.save(folder / name, tone(), RATE)
    assert io.load(folder / name)[1] == RATE


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    io.save("a.wav", tone(), RATE)
    assert io.load("a.wav")[1] == RATE


def text(path: Path) -> None:
    path.write_text("this is not sound\n" * 50)


def header_only(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.float32), RATE)


def nan(path: Path) -> None:
    wave = tone()
    wave[77] = np.nan
    soundfile.write(path, wave, RATE, "FLOAT")


def counts(path: Path) -> None:
    soundfile.write(path, tone() * 32767, RATE, "FLOAT")


def noise_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(20000))


def playlist(path: Path) -> None:
    (path.parent / "secret.ts").write_bytes(b"x" * 1000)
    path.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{path.parent}/secret.ts\n#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: p.touch(), "is empty"),
        (text, "is not audio"),
        (noise_bytes, "is not audio"),
        (playlist, "is not audio"),
        (header_only, "length is zero"),
        (nan, "not numbers"),
        (counts, "values up to"),
    ],
)
@pytest.mark.parametrize("suffix", [".wav", ".mp4"])
def test_bad_files_are_named(
    tmp_path: Path, make: Callable[[Path], object], says: str, suffix: str
) -> None:
    path = tmp_path / f"bad{suffix}"
    if suffix == ".mp4" and make in (header_only, nan, counts):
        pytest.skip("WAV only")
    make(path)
    with pytest.raises(BadInput, match=says) as caught:
        io.load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_nul_in_a_path_is_a_sentence() -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        io.load("a\0b.wav")


def test_a_truncated_file_never_gives_more_than_it_holds(tmp_path: Path) -> None:
    io.save(tmp_path / "a.m4a", tone(5), RATE)
    data = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "cut.m4a").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match="cut.m4a"):
        io.load(tmp_path / "cut.m4a")


def test_one_sample_is_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(1, 0.5, np.float32), RATE)
    assert len(io.load(tmp_path / "a.wav")[0]) == 1
    assert np.isfinite(io.load(tmp_path / "a.wav", 48000)[0]).all()


@pytest.mark.parametrize(
    ("wave", "says"), [(np.full(9, np.nan), "not numbers"), (np.zeros(0), "no sound")]
)
def test_nothing_unsound_is_written(tmp_path: Path, wave: np.ndarray, says: str) -> None:
    with pytest.raises(VoiceError, match=says):
        io.save(tmp_path / "a.wav", wave, RATE)
    assert not list(tmp_path.iterdir())


def test_unknown_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot write XYZ"):
        io.save(tmp_path / "a.xyz", tone(), RATE)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "MP3", "OGG", "OPUS", "M4A"])
def test_full_disk_leaves_the_old_file(
    tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{format.lower()}"
    path.write_bytes(b"old")
    real = encode._Sink

    class File:
        """A file on a disk with room for 300 bytes."""

        def __init__(self, file: BinaryIO) -> None:
            self.real, self.room = file, 300

        def write(self, data: bytes) -> int:
            self.room -= len(data)
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.real.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

    monkeypatch.setattr(encode, "_Sink", lambda file: real(cast(BinaryIO, File(file))))
    with pytest.raises(OSError, match="No space") as caught:
        io.save(path, tone(5), RATE)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


def test_an_exception_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with encode.Writer(path, RATE) as file:
            file.write(tone())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        io.save(tmp_path / "a.wav", tone(), RATE)
