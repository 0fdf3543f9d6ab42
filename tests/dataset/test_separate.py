"""Music in recordings is taken out where that is asked for, and the manifest says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc import params, tasks
from rvc.audio.stream import resample
from rvc.dataset import manifest
from tests.songs import band

RATE = 40000


def cut(data: Path, **options: Any) -> dict[str, Any]:
    """The result of preprocess, each recording one slice."""
    given = {"model_name": "voice", "sample_rate": RATE, "cut_preprocess": "Skip", "cpu_cores": 1}
    p = params.Preprocess.model_validate({"dataset_path": data} | given | options)
    return tasks.run("preprocess", p)


def slice_of(home: Path) -> np.ndarray:
    """The one slice that there is."""
    (file,) = (home / "logs" / "voice" / "sliced_audios").glob("*.wav")
    return np.asarray(soundfile.read(file)[0])


@pytest.fixture
def spoken(tmp_path: Path) -> np.ndarray:
    """The speech (T,) of a recording with a band behind it, at the voice's rate."""
    voice, music = band.song(6.0, pan=0.0)
    (tmp_path / "data").mkdir()
    band.write(tmp_path / "data" / "a.wav", (voice + music).mean(axis=1))
    return resample(voice.mean(axis=1), band.RATE, RATE)


def test_the_voice_is_left(home: Path, tmp_path: Path, spoken: np.ndarray) -> None:
    cut(tmp_path / "data")
    before = band.si_sdr(slice_of(home), spoken)
    told = cut(tmp_path / "data", separate=True)
    assert told["up_to_date"] == 0
    assert "Music was taken out" in told["message"]
    assert band.si_sdr(slice_of(home), spoken) > before + 9
    stage = manifest.stage(home / "logs" / "voice", "preprocess")
    assert stage is not None
    assert str(stage.fingerprint["separate"]).startswith("kit ")
    assert cut(tmp_path / "data", separate=True)["up_to_date"] == 1


def test_levels_are_those_of_the_voice(home: Path, tmp_path: Path, spoken: np.ndarray) -> None:
    """Levelling before the cut goes by the voice's peak, not by the band's."""
    cut(tmp_path / "data", separate=True)
    peak = np.abs(slice_of(home)).max()
    cut(tmp_path / "data", separate=True, normalization_mode="pre")
    assert np.abs(slice_of(home)).max() == pytest.approx(0.675 + 0.25 * peak, abs=0.01)
