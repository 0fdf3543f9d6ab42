"""Conversion with a voice's ONNX form gives the same recording."""

from __future__ import annotations

import numpy as np
import pytest

from rvc import params
from rvc.infer import voice as voices
from rvc.infer.convert import convert
from rvc.infer.voice import Voice
from rvc.onnx import export
from tests.infer.conftest import sung


def test_an_onnx_voice_converts_like_the_voice_it_was_made_of(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LENGTHS", (40,))
    done = export.run(params.ExportOnnx(pth_path=voice.path))
    other = voices.Voice(done["file"], gpu="-")
    wave = sung(1.5)
    ours, rate = convert(voice, wave, 16_000, seed=3)
    theirs, other_rate = convert(other, wave, 16_000, seed=3)
    assert rate == other_rate
    assert ours.shape == theirs.shape
    assert np.abs(ours).max() > 0.01
    assert np.abs(ours - theirs).max() < 1e-3 * np.abs(ours).max()
