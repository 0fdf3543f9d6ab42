"""Families that transformers builds: its own output, any file kind, refusals in sentences."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc.embedders import FAMILIES, others
from rvc.embedders.embedder import Embedder
from rvc.embedders.manager import EmbedderManager, forget
from rvc.errors import BadInput, MissingModel
from tests.embedders import tiny_embedders as tiny

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
HUBERT_LIKE = SMALL | {"conv_dim": [16] * 7}
SQUEEZED = SMALL | {"conv_dim": [16] * 13, "squeeze_factor": 2}
SHAPES: dict[str, dict[str, Any]] = {
    "wav2vec2-conformer": HUBERT_LIKE,
    "unispeech": HUBERT_LIKE,
    "unispeech-sat": HUBERT_LIKE | {"do_stable_layer_norm": True, "feat_extract_norm": "layer"},
    "sew": SQUEEZED,
    "sew-d": SQUEEZED,
    "wav2vec2-bert": {k: v for k, v in SMALL.items() if "conv" not in k},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVC_HOME", str(tmp_path / "home"))
    forget()


def noise(samples: int = 11200, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples).astype("f4") * 0.1


def load(folder: Path, **more: Any) -> Embedder:
    return EmbedderManager().load("custom", folder, **more)


def settings(family: str) -> dict[str, Any]:
    return SHAPES[family] | {"model_type": family}


def heard(network: Any, wave: np.ndarray) -> torch.Tensor:
    """What the public implementation is given."""
    if network.base_model_prefix == "wav2vec2_bert":
        bank = others.transformers().SeamlessM4TFeatureExtractor()
        spectra: torch.Tensor = bank(wave, sampling_rate=16000, return_tensors="pt")[
            "input_features"
        ]
        return spectra
    return torch.from_numpy(wave)[None]


def test_every_family_of_transformers_has_its_test() -> None:
    assert {k for k, v in FAMILIES.items() if v.startswith("rvc.embedders.others")} == set(SHAPES)


@pytest.mark.parametrize("family", SHAPES)
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_features_equal_the_public_implementation(family: str, kind: str, tmp_path: Path) -> None:
    other = tiny.reference(settings(family))
    state = {f"{other.base_model_prefix}.{k}": v for k, v in other.state_dict().items()}
    mine = load(tiny.save(tmp_path, settings(family), state, normalize=False, kind=kind))
    assert (mine.spec.width, mine.spec.layer, mine.spec.hop) == (24, 3, 320)
    wave = noise()
    with torch.inference_mode():
        want = other(heard(other, wave)).last_hidden_state[0].numpy()
    got = mine(wave)
    assert got.shape == (34, 24)
    np.testing.assert_allclose(got, want[:34], atol=3e-5)
    together = mine.batch([wave, noise(5000, 1), noise(300, 2)])
    np.testing.assert_allclose(together[0], got, atol=1e-5)
    np.testing.assert_allclose(together[1], mine(noise(5000, 1)), atol=1e-5)
    assert together[2].shape == (0, 24)


@pytest.mark.parametrize("family", [f for f in SHAPES if "sew" not in f])
def test_an_earlier_layer_is_the_one_asked_for(family: str, tmp_path: Path) -> None:
    other = tiny.reference(settings(family))
    folder = tiny.save(tmp_path, settings(family), other.state_dict(), normalize=False)
    with torch.inference_mode():
        want = other(heard(other, noise()), output_hidden_states=True).hidden_states[2][0].numpy()
    np.testing.assert_allclose(load(folder, layer=2)(noise()), want[:34], atol=3e-5)


@pytest.mark.parametrize("samples", [0, 399, 400, 719, 720, 16000, 16079, 16080])
@pytest.mark.parametrize("family", ["wav2vec2-bert", "sew"])
def test_frame_count_follows_the_contract(family: str, samples: int, tmp_path: Path) -> None:
    folder = tiny.save(tmp_path, settings(family), tiny.reference(settings(family)).state_dict())
    frames = (samples - 400) // 320 + 1 if samples >= 400 else 0
    assert load(folder)(noise(samples)).shape == (frames, 24)


def test_half_precision_stays_close(tmp_path: Path) -> None:
    family = "wav2vec2-conformer"
    folder = tiny.save(tmp_path, settings(family), tiny.reference(settings(family)).state_dict())
    full, half = (load(folder, dtype=d)(noise()) for d in (torch.float32, torch.bfloat16))
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < 0.1 * np.abs(full).max()


def test_incomplete_foreign_and_unusable_folders_are_refused_by_name(tmp_path: Path) -> None:
    family = "unispeech-sat"
    state = dict(tiny.reference(settings(family)).state_dict())
    cut = {k: v for k, v in state.items() if "layers.1.attention.k_proj" not in k}
    with pytest.raises(BadInput, match=r"lack encoder\.layers\.1\.attention\.k_proj"):
        load(tiny.save(tmp_path / "cut", settings(family), cut))
    wide = settings(family) | {"intermediate_size": 56}
    with pytest.raises(BadInput, match=r"config\.json says"):
        load(tiny.save(tmp_path / "wide", wide, state))
    with pytest.raises(BadInput, match="adapter"):
        load(tiny.save(tmp_path / "adapter", settings(family) | {"add_adapter": True}, state))
    slow = settings(family) | {"conv_stride": [5, 2, 2, 2, 2, 2, 4]}
    with pytest.raises(BadInput, match="12 frames of half a second, not 24"):
        load(tiny.save(tmp_path / "slow", slow, state))
    good = tiny.save(tmp_path / "good", settings(family), state)
    with pytest.raises(BadInput, match="Layer 9"):
        load(good, layer=9)
    with pytest.raises(BadInput, match="projection"):
        load(good, projected=True)
    squeezed = tiny.save(tmp_path / "sew", settings("sew"), {"a": torch.zeros(1)})
    with pytest.raises(BadInput, match="fewer frames"):
        load(squeezed, layer=2)


def test_without_transformers_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save(tmp_path, settings("sew"), {"a": torch.zeros(1)})
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingModel, match="transformers") as caught:
        load(folder)
    assert "pip install transformers" in caught.value.hint
