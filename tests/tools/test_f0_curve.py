"""The verb `f0-curve`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc.f0 import curve_file
from rvc.tools import f0_curve
from tests.conftest import Cli
from tests.f0 import sounds


def test_the_table_holds_the_pitch_and_the_picture_is_one(cli: Cli, home: Path) -> None:
    wave = np.concatenate([sounds.tone(220, 1.0), np.zeros(8000, np.float32)])
    soundfile.write(home / "a.wav", wave, 16000)
    done = cli("f0-curve", "--input-path", home / "a.wav", "--f0-method", "swift-f0", "--json")
    assert done.code == 0
    assert done.json["median_hz"] == pytest.approx(220, rel=0.01)
    assert done.json["voiced"] == pytest.approx(0.66, abs=0.05)
    assert "(A3)" in done.json["message"]
    assert (home / "logs/f0_plot.png").read_bytes()[:4] == b"\x89PNG"
    curve = curve_file.read(home / "logs/f0_curve.csv", 151)
    assert np.median(curve[10:90]) == pytest.approx(220, rel=0.01)
    assert not curve[110:].any()


def test_silence_has_no_pitch_and_is_still_drawn(tmp_path: Path) -> None:
    f0_curve.draw(np.zeros(50), tmp_path / "p.png", "nothing")
    assert (tmp_path / "p.png").stat().st_size > 1000
    assert "without any pitch" in f0_curve.sentence(f0_curve.describe(np.zeros(50)))


@pytest.mark.parametrize(("hz", "name"), [(440, "A4"), (261.63, "C4"), (49, "G1"), (1046.5, "C6")])
def test_names_of_notes(hz: float, name: str) -> None:
    assert f0_curve.note(hz) == name
