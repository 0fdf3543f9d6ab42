"""The program works wherever it lies and from wherever it is called."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
SAMPLE = "rvc/models/kit/demo/sample.flac"


def test_an_odd_folder_and_a_foreign_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RVC_HOME", raising=False)
    home, elsewhere = tmp_path / "日本 語 dir" / "ñ ' q", tmp_path / "else where"
    elsewhere.mkdir()
    skip = shutil.ignore_patterns("__pycache__", "models")
    shutil.copytree(ROOT / "rvc", home / "rvc", ignore=skip)
    shutil.copytree(ROOT / "rvc" / "models" / "kit", home / "rvc" / "models" / "kit")
    shutil.copy(ROOT / "core.py", home)
    wave, rate = soundfile.read(ROOT / SAMPLE, dtype="float32")
    soundfile.write(elsewhere / "short take.wav", wave[: 2 * rate], rate)
    line = [sys.executable, str(home / "core.py"), "--offline", "demo", "--input-path"]
    done = subprocess.run([*line, "short take.wav"], cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out, out_rate = soundfile.read(home / "assets" / "audios" / "demo_output.wav")
    assert abs(len(out) - 2 * out_rate) <= 1
    assert np.isfinite(out).all()
    assert np.sqrt(np.mean(out**2)) > 0.01
    assert [p.name for p in elsewhere.iterdir()] == ["short take.wav"]
