"""Whisper encoders as embedders: HuBERT's frame count, any length, public key names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rvc.embedders import whisper
from rvc.embedders.manager import EmbedderManager
from rvc.errors import BadInput

Make = Callable[..., Path]
TINY = {
    "model_type": "whisper",
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "num_mel_bins": 80,
    "max_source_positions": 150,
}


@pytest.fixture
def folder(tmp_path: Path) -> Make:
    def make(**more: Any) -> Path:
        torch.manual_seed(0)
        config = TINY | more
        net = whisper.WhisperEncoder(whisper.WhisperShape.read(config), 2)
        save_file(
            {"model." + k: v for k, v in net.state_dict().items()}, tmp_path / "model.safetensors"
        )
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path

    return make


@pytest.mark.parametrize("samples", [400, 719, 720, 16000, 16321, 100000])
def test_frames_are_those_of_hubert(folder: Make, samples: int) -> None:
    embedder = EmbedderManager().load("custom", folder())
    frames = embedder(np.random.default_rng(0).standard_normal(samples).astype(np.float32))
    assert frames.shape == ((samples - 400) // 320 + 1, 16)
    assert np.isfinite(frames).all()


def test_too_short_and_silent_waves(folder: Make) -> None:
    embedder = EmbedderManager().load("custom", folder())
    assert embedder(np.zeros(100, np.float32)).shape == (0, 16)
    assert np.isfinite(embedder(np.zeros(4000, np.float32))).all()


def test_a_batch_gives_what_each_gives_alone(folder: Make) -> None:
    embedder = EmbedderManager().load("custom", folder())
    rng = np.random.default_rng(1)
    waves = [rng.standard_normal(n).astype(np.float32) * 0.1 for n in (5000, 9000, 300)]
    for wave, got in zip(waves, embedder.batch(waves), strict=True):
        np.testing.assert_allclose(got, embedder(wave), atol=1e-5)


def test_projector_sets_the_width(folder: Make) -> None:
    embedder = EmbedderManager().load("custom", folder(projector_hidden=8, projector_width=6))
    assert embedder.spec.width == 6
    assert embedder(np.zeros(4000, np.float32)).shape == (12, 6)


def test_a_shifted_click_moves_by_frames(folder: Make) -> None:
    """320 samples later in is one frame later out, as far as the front end hears."""
    net = EmbedderManager().load("custom", folder()).network
    wave = np.zeros(16000, np.float32)
    wave[8000] = 1.0
    later = np.roll(wave, 320)
    a, b = (net.mel(torch.from_numpy(w))[0] for w in (wave, later))
    assert torch.allclose(a[:, 30:60], b[:, 32:62], atol=1e-5)


def test_refusals(folder: Make) -> None:
    home = folder()
    with pytest.raises(BadInput, match="Layer 9"):
        EmbedderManager().load("custom", home, layer=9)
    with pytest.raises(BadInput, match="projection"):
        EmbedderManager().load("custom", home, projected=True)
    with pytest.raises(BadInput, match="whole number"):
        whisper.WhisperShape.read({"d_model": "wide"})
