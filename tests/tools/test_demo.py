"""The kit: complete, small, licensed, and converting without any download."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvc import params
from rvc.audio import io
from rvc.config import KIT
from rvc.dataset import experiment
from rvc.embedders import SHIPPED
from rvc.embedders.manager import EmbedderManager
from rvc.nets import checkpoint, config
from rvc.nets.synthesizer import Synthesizer
from rvc.tools import demo
from rvc.train import pretrained


def test_the_kit_is_complete_licensed_and_at_most_100_mb() -> None:
    files = [f for f in KIT.rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 100e6
    for part in ("mini", "mini-plus", "lite", "demo"):
        assert (KIT / part / "LICENSE").is_file()
    for file in (demo.VOICE, demo.INDEX, demo.SAMPLE):
        assert file.is_file()


@pytest.mark.parametrize("name", ["mini", "mini-plus"])
def test_what_ships_has_at_most_15_million_parameters_and_hubert_frames(name: str) -> None:
    embedder = EmbedderManager().load(name)
    assert sum(p.numel() for p in embedder.network.parameters()) <= 15e6
    wave = 0.1 * np.sin(np.arange(16000) / 9).astype(np.float32)
    assert embedder(wave).shape == ((16000 - 400) // 320 + 1, embedder.spec.width)


def test_what_ships_hears_content_more_than_level() -> None:
    embedder = EmbedderManager().load(SHIPPED)
    wave = io.load(demo.SAMPLE, 16000)[0][:48000]
    loud, quiet = embedder(wave), embedder(wave * 0.2)
    other = np.roll(loud, 25, axis=0)

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - b, axis=1).mean())

    assert distance(loud, quiet) < 0.3 * distance(loud, other)


@pytest.mark.parametrize("kind", ["G", "D"])
def test_base_models_are_finite(kind: str) -> None:
    weights = checkpoint.read_checkpoint(KIT / "lite" / f"f0{kind}24k.pth").model
    assert all(w.isfinite().all() for w in weights.values())


def test_demo_converts_with_the_network_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: Any) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("RVC_HOME", str(tmp_path))
    done = demo.run(params.Demo(output_path=tmp_path / "out.wav"))
    wave, rate = io.load(tmp_path / "out.wav")
    source, source_rate = io.load(demo.SAMPLE)
    assert len(wave) / rate == pytest.approx(len(source) / source_rate, abs=0.05)
    assert np.abs(wave).max() > 0.05
    for word in (SHIPPED, "swift-f0", "lite", "demo.pth", "sample.flac"):
        assert word in done["message"]


def test_a_lite_training_takes_its_own_narrow_networks(tmp_path: Path) -> None:
    """Preprocess cannot know the vocoder and puts the rate's common file into the experiment."""
    experiment.write_config(tmp_path, 24000)
    lite = config.load(24000, "lite")
    assert experiment.settings(tmp_path, 24000, "lite") == lite


def test_the_base_model_fits_a_lite_voice_trained_on_what_ships() -> None:
    width = EmbedderManager().load(SHIPPED).spec.width
    net = Synthesizer(config.load(24000, "lite"), width, True, 1, "lite")
    given = checkpoint.read_checkpoint(KIT / "lite" / "f0G24k.pth").model
    misfits = pretrained.adapt(net, given, KIT)
    assert all("speakers became" in phrase for phrase in misfits)
