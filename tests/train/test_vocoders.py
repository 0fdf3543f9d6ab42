"""Every vocoder trains, resumes and exports a voice that loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rvc.device import choose
from rvc.nets import VOCODERS, refinegan
from rvc.nets.checkpoint import read_checkpoint
from rvc.nets.voice_file import build as build_voice
from rvc.nets.voice_file import read_voice
from rvc.train import build
from rvc.train.distributed import Ranks
from rvc.train.material import material
from tests.train import tiny
from tests.train.make import RATE


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinegan, "FIRST", 2)
    monkeypatch.setattr(refinegan, "WIDTH", 64)


@pytest.mark.parametrize("vocoder", ["MRF HiFi-GAN", "RefineGAN"])
def test_it_trains_resumes_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocoder: str
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch, clips=4)
    first = tiny.run(tiny.params(vocoder=vocoder, total_epoch=1))
    start = read_voice(next(folder.glob("v_1e_*.pth"))).weights
    second = tiny.run(tiny.params(vocoder=vocoder, total_epoch=2))
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert second["step"] == 2 * first["step"]
    voice = read_voice(next(folder.glob("v_2e_*.pth")))
    assert voice.vocoder == vocoder
    assert any(not torch.equal(v, start[k]) for k, v in voice.weights.items())
    frames = 12
    with torch.no_grad():
        sound = build_voice(voice).infer(
            torch.randn(1, frames, voice.embed_width),
            torch.tensor([frames]),
            torch.full((1, frames), 80),
            torch.full((1, frames), 150.0),
            torch.tensor([0]),
        )
    assert sound.shape == (1, 1, frames * 400)
    assert torch.isfinite(sound).all()
    g = max(folder.glob("G_*.pth"), key=lambda p: p.stat().st_mtime_ns)
    assert read_checkpoint(g).iteration == 2


@pytest.mark.parametrize("vocoder", [v for v, info in VOCODERS.items() if RATE in info.rates])
def test_each_is_trained_against_the_discriminator_and_the_mel_it_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocoder: str
) -> None:
    info = VOCODERS[vocoder]
    folder = tiny.voice(tmp_path, monkeypatch, clips=4)
    p = tiny.params(vocoder=vocoder)
    m = material(p, folder)
    chosen = choose("-", "fp32")
    recipe = build.recipe(p, m, chosen, Ranks())
    assert recipe.multi_scale == (info.mel == "multi")
    assert build.begin(p, m, chosen, folder, tiny.PARTS).d.version == info.discriminator
