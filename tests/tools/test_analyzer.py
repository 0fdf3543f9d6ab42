"""The analyzer tells a file's own rate, channels and levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc import params, tasks
from rvc.audio import Account
from rvc.errors import BadInput
from rvc.tools import analyzer
from tests.conftest import Cli


def analyse(path: Path, tmp_path: Path) -> dict[str, Any]:
    p = params.AudioAnalyzer(input_path=path, output_path=tmp_path / "out.png")
    return tasks.run("audio-analyzer", p)


def tone(
    hz: float = 1000.0, seconds: float = 2.0, rate: int = 48000, level: float = 0.5
) -> np.ndarray:
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(
    ("rate", "channels", "subtype", "bits"),
    [(48000, 2, "PCM_24", 24), (8000, 1, "PCM_16", 16), (96000, 1, "FLOAT", 32)],
)
def test_what_the_file_is(
    tmp_path: Path, rate: int, channels: int, subtype: str, bits: int
) -> None:
    wave = np.stack([tone(rate=rate)] * channels, axis=1)
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype)
    result = analyse(tmp_path / "a.wav", tmp_path)
    assert (result["rate_hz"], result["channels"], result["bits"]) == (rate, channels, bits)
    assert result["seconds"] == 2
    assert result["peak_dbfs"] == pytest.approx(-6, abs=0.1)
    assert result["true_peak_dbtp"] == pytest.approx(-6, abs=0.2)
    mono_lufs = -9.0
    assert result["loudness_lufs"] == pytest.approx(mono_lufs + 3 * (channels - 1), abs=0.3)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert f"{rate} Hz" in result["message"]


def test_a_minute_of_silence_does_not_make_it_quieter(tmp_path: Path) -> None:
    wave = np.concatenate([tone(seconds=60, rate=8000), np.zeros(60 * 8000)])
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    picture = analyzer._look(tmp_path / "a.wav", 120.0, lambda *_: None, Account())
    assert picture.loudness_lufs == pytest.approx(-9, abs=0.3)


def test_spectral_features_lie_where_the_tone_is(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(3000), 48000)
    picture = analyzer._look(tmp_path / "a.wav", 2.0, lambda *_: None, Account())
    khz = np.fft.rfftfreq(analyzer.FFT, 1 / picture.rate) / 1000
    found = analyzer.features(np.array(picture.spectra), khz)
    assert np.median(found["centroid"]) == pytest.approx(3, abs=0.05)
    assert np.median(found["roll-off"]) == pytest.approx(3, abs=0.05)
    assert np.median(found["bandwidth"]) < 0.2
    assert len(picture.times_s) == analyzer.COLUMNS
    assert picture.times_s[-1] < 2


@pytest.mark.parametrize("size", [1, 10, 5000])
def test_scraps_and_silence(tmp_path: Path, size: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(size), 16000)
    result = analyse(tmp_path / "a.wav", tmp_path)
    assert "silent" in result["message"]
    assert result["peak_dbfs"] is None


def test_not_sound(tmp_path: Path, home: Path) -> None:
    (tmp_path / "a.wav").write_text("no")
    with pytest.raises(BadInput, match="not audio"):
        analyse(tmp_path / "a.wav", tmp_path)
    assert not (tmp_path / "out.png").exists()


def test_picture_must_be_png(tmp_path: Path) -> None:
    p = params.AudioAnalyzer(input_path=tmp_path / "a.wav", output_path=tmp_path / "a.py")
    with pytest.raises(BadInput, match="png"):
        tasks.run("audio-analyzer", p)


def test_default_place_of_the_picture(cli: Cli, home: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a $x$.wav", tone(), 48000)
    done = cli("audio-analyzer", "--input-path", tmp_path / "a $x$.wav", "--json")
    assert done.json["plot"] == str(home / "logs" / "audio_analysis.png")
