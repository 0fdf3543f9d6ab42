"""A heavy voice teaches a lite one: lessons are kept, content is the source's, and it converts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc import params
from rvc.audio import io
from rvc.config import KIT
from rvc.dataset import manifest, slice_features
from rvc.embedders import SHIPPED
from rvc.embedders.manager import EmbedderManager
from rvc.errors import BadInput, Cancelled
from rvc.infer.convert import convert
from rvc.infer.voice import Voice
from rvc.nets import voice_file
from rvc.nets.synthesizer import Synthesizer
from rvc.onnx import cache
from rvc.tools import distil
from tests import tiny

RATE_HZ = distil.RATE_HZ


@pytest.fixture(scope="module")
def embed() -> distil.Embed:
    return EmbedderManager().load(SHIPPED)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Twelve seconds of somebody who is not the teacher."""
    wave, rate_hz = io.load(KIT / "demo" / "sample.flac")
    folder = tmp_path / "speech"
    folder.mkdir()
    io.save(folder / "a.wav", np.tile(wave, 3)[: 12 * rate_hz], rate_hz)
    return folder


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HiFi-GAN of 40 kHz with narrow layers that nobody trained, on the kit's embedder."""
    monkeypatch.setenv(cache.OFF, "1")  # a graph takes longer to make than to use here
    settings = tiny.settings()
    torch.manual_seed(0)
    net: Any = Synthesizer(settings, 192, True, 1, "HiFi-GAN")
    with torch.no_grad():
        net.dec.conv_post.weight *= 50  # what nobody trained is too soft to be learnt from
    meta = {"embedder_model": "mini", "median_f0_hz": 200.0}
    file = tmp_path / "big.pth"
    voice_file.write_voice(file, voice_file.voice_of(net.state_dict(), settings, "HiFi-GAN", meta))
    return file


def wanted(teacher: Path, speech: Path, **changes: Any) -> params.Distil:
    given: dict[str, Any] = {
        "pth_path": teacher,
        "dataset_path": speech,
        "model_name": "small",
        "gpu": "-",
    }
    return params.Distil(**(given | {"total_epoch": 1, "batch_size": 2} | changes))


def test_a_lite_voice_comes_of_a_heavy_one_and_a_second_run_goes_on(
    home: Path, teacher: Path, speech: Path, embed: distil.Embed
) -> None:
    def stopped(done: float, total: float, note: str = "") -> None:
        if note == "The teacher speaks" and done:
            raise Cancelled("Stopped.")

    p, folder = wanted(teacher, speech), home / "logs" / "small"
    with pytest.raises(Cancelled):
        distil.run(p, stopped)
    first = folder / "distil" / "taught" / "00000.wav"
    kept = first.stat().st_mtime_ns
    done = distil.run(p)
    assert first.stat().st_mtime_ns == kept, "what was taught is not taught again"
    assert done["pieces"] == 3
    made = Voice(done["voice"], gpu="-")
    assert (made.file.vocoder, made.rate) == ("lite", 24000)
    source = io.load(folder / "distil" / "spoken" / "00000.wav", RATE_HZ)[0]
    (name,) = manifest.require(folder, "preprocess").details["sources"]["00000.wav"]["slices"]
    features = np.load(slice_features.paths(folder, Path(name).stem)[0])
    heard = distil.whole(embed, source)
    count = min(len(features), len(heard))
    assert count > 150
    assert np.allclose(features[:count], heard[:count], atol=1e-4), "the source's content"
    out, rate_hz = convert(made, source, RATE_HZ, f0_method="swift-f0", seed=0)
    assert len(out) / rate_hz == pytest.approx(len(source) / RATE_HZ, abs=0.02)
    assert np.abs(out).max() > 0


def test_lessons_of_another_teacher_are_not_mixed_in(
    home: Path, teacher: Path, speech: Path, tmp_path: Path
) -> None:
    place = tmp_path / "distil"
    spoken, taught = place / "spoken", place / "taught"
    distil.teach(wanted(teacher, speech, minutes=0.02), spoken, taught, lambda *_: None)
    other = wanted(KIT / "demo" / "demo.pth", speech)
    with pytest.raises(BadInput, match="another teacher"):
        distil.teach(other, spoken, taught, lambda *_: None)


def test_what_is_streamed_hears_no_more_than_a_live_conversion(embed: distil.Embed) -> None:
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.1, 2 * RATE_HZ).astype(np.float32)
    later = wave.copy()
    later[RATE_HZ + distil.HOP + distil.AHEAD + distil.EXTRA :] = 0
    rows = (RATE_HZ + distil.HOP) // distil.ROW // 4 * 4  # whole hops before the change
    one, other = (distil.streamed(embed, x) for x in (wave, later))
    assert len(one) == len(other) == 2 * RATE_HZ // distil.ROW
    assert np.allclose(one[:rows], other[:rows], atol=1e-4)
    assert not np.allclose(one[rows:], other[rows:], atol=1e-2)


def test_built_in_sentences_are_speech_in_several_languages() -> None:
    pytest.importorskip("espeakng_loader")
    spoken = distil.sentences()
    for _ in range(3):
        wave = next(spoken)
        assert len(wave) > RATE_HZ
        assert np.abs(wave).max() > 0.05
