"""What is written holds what it should, and what cannot be written is refused before the work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc.audio import encode, io
from rvc.errors import BadInput

LOSSY = ("MP3", "OGG", "OPUS", "M4A")


def noise(channels: int, rate: int = 44100, seconds: int = 8) -> np.ndarray:
    """White noise up to 20 kHz, -20 dBFS (T, C)."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((channels, seconds * rate)))
    spectrum[:, 20000 * seconds :] = 0
    wave = np.fft.irfft(spectrum, seconds * rate)
    return np.asarray(0.1 * wave / wave.std(), np.float32).T


def level_db(wave: np.ndarray, rate: int, hz: float) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    at = np.abs(np.fft.rfftfreq(len(wave), 1 / rate) - hz) < 200
    return float(10 * np.log10(power[at].mean()))


@pytest.mark.parametrize("format", LOSSY)
@pytest.mark.parametrize(("channels", "least"), [(1, 128), (2, 192)])
def test_bit_rates_are_worth_having_and_flat_to_18_khz(
    format: str, channels: int, least: int, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{format.lower()}"
    io.save(path, noise(channels), 44100)
    assert path.stat().st_size * 8 / 8000 >= least
    back, rate = io.load(path, mono=False)
    for hz in (15000, 17000, 17800):
        assert level_db(back[:, 0], rate, hz) == pytest.approx(
            level_db(back[:, 0], rate, 10000), abs=3
        )


@pytest.mark.parametrize("format", LOSSY)
@pytest.mark.parametrize("kbits", [96, 192])
def test_the_bit_rate_can_be_chosen(format: str, kbits: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{format.lower()}"
    io.save(path, noise(2), 44100, kbits=kbits)
    assert path.stat().st_size * 8 / 8000 == pytest.approx(kbits, rel=0.25)


@pytest.mark.parametrize("format", encode.FORMATS)
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 32000, 40000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_rate_and_format_can_be_written(
    format: str, rate: int, channels: int, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{format.lower()}"
    out = io.save(path, noise(channels, rate, 1), rate)
    assert io.info(path).channels == channels
    back, found = io.load(path)
    assert found == out
    assert len(back) / found == pytest.approx(1, abs=0.14)  # AAC pads to whole frames


@pytest.mark.parametrize(
    ("format", "channels"), [("MP3", 3), ("MP3", 6), ("FLAC", 9), ("M4A", 7), ("OGG", 256)]
)
def test_too_many_channels_are_refused_at_once(format: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{format.lower()}"
    with pytest.raises(BadInput, match=f"{format} holds at most .* not {channels}"):
        encode.Writer(path, 48000, channels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("format", "channels"),
    [("FLAC", 8), ("WAV", 9), ("OGG", 6), ("OPUS", 6), *[("M4A", n) for n in range(3, 7)]],
)
def test_channels_that_fit_are_written(format: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{format.lower()}"
    wave = noise(channels, 48000, 1)
    io.save(path, wave, 48000)
    back, _ = io.load(path, mono=False)
    assert back.shape[1] == channels
    effects = {("M4A", 6): 3, ("OGG", 6): 5, ("OPUS", 6): 5}.get((format, channels))
    heard = back if effects is None else np.delete(back, effects, axis=1)
    assert np.abs(heard).max(axis=0).min() > 0.1


@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (2, 24), (2, 32), (6, 16)])
def test_a_wav_too_large_becomes_rf64(
    channels: int, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "WAV_LIMIT", 50_000)
    path = tmp_path / "a.wav"
    wave = noise(channels, 44100, 1)
    io.save(path, wave, 44100, bits=bits)
    assert path.read_bytes()[:4] == b"RF64"
    assert b"ds64" in path.read_bytes()[:64]
    back, _ = io.load(path, mono=False)
    np.testing.assert_allclose(back, wave, atol=2**-14)
    assert soundfile.info(path).format == "RF64"


def test_names_of_255_bytes(tmp_path: Path) -> None:
    name = "歌" * 83 + "aa.wav"
    assert len(name.encode()) == 255
    io.save(tmp_path / name, noise(1, 16000, 1), 16000)
    assert [file.name for file in tmp_path.iterdir()] == [name]
