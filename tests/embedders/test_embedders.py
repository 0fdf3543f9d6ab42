"""Embedders: each public family equals its reference implementation and obeys its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc.config import paths
from rvc.embedders import EMBEDDERS
from rvc.embedders.embedder import Embedder
from rvc.embedders.manager import EmbedderManager, forget
from rvc.errors import BadInput, MissingModel
from tests.embedders import tiny_embedders as tiny


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RVC_HOME", str(tmp_path / "home"))
    forget()
    return tmp_path


def noise(seconds: float = 0.7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(int(seconds * 16000)).astype("f4") * 0.1


def load(folder: Path, **more: Any) -> Embedder:
    return EmbedderManager().load("custom", folder, **more)


@pytest.mark.parametrize("name", tiny.SHAPES)
@pytest.mark.parametrize("layer", [None, 2])
def test_output_equals_the_public_implementation(
    name: str, layer: int | None, tmp_path: Path
) -> None:
    settings = tiny.config(**tiny.SHAPES[name])
    settings["num_hidden_layers"] = 3
    other = tiny.reference(settings)
    state = other.state_dict()
    tiny.save(tmp_path, settings, state, normalize=False)
    mine = load(tmp_path, layer=layer)
    with torch.inference_mode():
        out = other(torch.from_numpy(noise())[None], output_hidden_states=True)
    want = out.last_hidden_state if layer is None else out.hidden_states[layer]
    got = mine(noise())
    assert got.shape == (34, mine.spec.width) == tuple(want[0].shape)
    np.testing.assert_allclose(got, want[0].numpy(), atol=3e-5)


def test_old_and_new_spelling_of_weight_norm_are_the_same_network(tmp_path: Path) -> None:
    settings = tiny.config()
    state = tiny.reference(settings).state_dict()
    stem = "encoder.pos_conv_embed.conv."
    new = {k: v for k, v in state.items() if "pos_conv" in k}
    assert stem + "parametrizations.weight.original0" in new
    old = dict(state)
    old[stem + "weight_g"] = old.pop(stem + "parametrizations.weight.original0")
    old[stem + "weight_v"] = old.pop(stem + "parametrizations.weight.original1")
    one = load(tiny.save(tmp_path / "new", settings, state))(noise())
    two = load(tiny.save(tmp_path / "old", settings, old, kind="bin"))(noise())
    three = load(tiny.save(tmp_path / "ctc", settings, {"hubert." + k: v for k, v in old.items()}))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three(noise()))


@pytest.mark.parametrize("name", ["hubert-base", "hubert-large", "wavlm-base", "data2vec"])
def test_batch_gives_each_wave_what_it_gets_alone(name: str, tmp_path: Path) -> None:
    embedder = load(tiny.write(tmp_path, tiny.SHAPES[name], normalize=True))
    waves = [noise(0.3, 1), noise(1.1, 2), noise(0.01, 3), noise(0.3, 4)]
    together = embedder.batch(waves)
    for wave, got in zip(waves, together, strict=True):
        np.testing.assert_allclose(got, embedder(wave), atol=1e-5)
    assert len(together[2]) == 0


@pytest.mark.parametrize("samples", [0, 399, 400, 719, 720, 16000, 16079, 16080])
def test_frame_count_follows_the_contract(samples: int, tmp_path: Path) -> None:
    embedder = load(tiny.write(tmp_path))
    frames = (samples - 400) // 320 + 1 if samples >= 400 else 0
    assert embedder(np.zeros(samples, "f4")).shape == (frames, 32)


def test_loudness_and_offset_do_not_matter_where_waves_are_normalised(tmp_path: Path) -> None:
    loud, quiet = noise(), noise() * 0.05 + 0.3
    told = load(tiny.write(tmp_path / "yes", normalize=True))
    plain = load(tiny.write(tmp_path / "no", normalize=False))
    assert told.spec.normalize
    assert not plain.spec.normalize
    np.testing.assert_allclose(told(loud), told(quiet), atol=2e-3)
    assert np.abs(plain(loud) - plain(quiet)).max() > 0.05
    assert np.isfinite(told(np.zeros(16000, "f4"))).all()


def test_undeclared_normalisation_follows_the_front_end(tmp_path: Path) -> None:
    assert not load(tiny.write(tmp_path / "base", tiny.BASE)).spec.normalize
    assert load(tiny.write(tmp_path / "large", tiny.SHAPES["hubert-large"])).spec.normalize


def test_spec_says_what_the_files_say(tmp_path: Path) -> None:
    spec = load(tiny.write(tmp_path, tiny.LARGE, normalize=True)).spec
    assert (spec.width, spec.layer, spec.normalize) == (1024, 2, True)
    assert (spec.sample_rate, spec.hop) == (16000, 320)
    assert len(spec.digest) == 64
    assert json.loads(json.dumps(spec.as_dict()))["width"] == 1024


def test_v1_voices_get_the_projection_and_never_a_random_one(tmp_path: Path) -> None:
    with_it = tiny.write(tmp_path / "with", projected=True)
    spec = load(with_it, layer=2, projected=True).spec
    assert (spec.width, spec.layer, spec.projected) == (8, 2, True)
    assert load(with_it).spec.width == 32
    with pytest.raises(BadInput, match="final_proj"):
        load(tiny.write(tmp_path / "without"), projected=True)


def test_unknown_names_list_the_known_and_nothing_falls_back() -> None:
    with pytest.raises(BadInput, match="contentwreck") as failure:
        EmbedderManager().load("contentwreck")
    assert all(name in failure.value.hint for name in EMBEDDERS)
    with pytest.raises(BadInput, match="needs a folder"):
        EmbedderManager().load("custom")
    with pytest.raises(BadInput, match="does not exist"):
        EmbedderManager().load("custom", "nowhere")


def test_named_embedder_is_found_in_applios_folder_and_loaded_once() -> None:
    tiny.write(paths().embedders / "contentvec", kind="bin")
    first = EmbedderManager().load("contentvec")
    assert first.spec.name == "contentvec"
    assert EmbedderManager().load("contentvec") is first
    tiny.write(paths().embedders / "contentvec", {"hidden_size": 16}, kind="bin")
    assert EmbedderManager().load("contentvec").spec.width == 16
    (paths().embedders / "contentvec" / "embedder.json").write_text('{"layer": 2}')
    assert EmbedderManager().load("contentvec").spec.layer == 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d.pop("encoder.layers.1.final_layer_norm.weight"), "lack encoder.layers.1"),
        (lambda d: d.update({"encoder.layer_norm.bias": torch.zeros(7)}), "config.json says"),
    ],
)
def test_incomplete_or_foreign_weights_are_refused_by_name(
    spoil: Callable[[dict[str, torch.Tensor]], object], words: str, tmp_path: Path
) -> None:
    settings = tiny.config()
    state = dict(tiny.reference(settings).state_dict())
    spoil(state)
    with pytest.raises(BadInput, match=words):
        load(tiny.save(tmp_path, settings, state))


def test_damaged_or_hostile_weights_are_refused_and_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
            return (open, (str(tmp_path / "ran"), "w"))

    folder = tiny.write(tmp_path / "bomb", kind="bin")
    torch.save({"x": Bomb()}, folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="damaged"):
        load(folder)
    assert not (tmp_path / "ran").exists()
    (folder / "pytorch_model.bin").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(BadInput, match="damaged"):
        load(folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 30)
    with pytest.raises(BadInput, match="damaged"):
        load(folder)


def test_missing_parts_and_unknown_kinds_are_named(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "a", {"model_type": "hubert"})
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": "bert"}))
    with pytest.raises(BadInput, match="'bert'"):
        load(folder)
    (folder / "config.json").write_text(json.dumps(settings | {"hidden_act": "mish"}))
    with pytest.raises(BadInput, match="mish"):
        load(folder)
    (folder / "config.json").write_text("<html>")
    with pytest.raises(BadInput, match="valid JSON"):
        load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(MissingModel, match=r"config\.json"):
        load(folder)
    with pytest.raises(BadInput, match="Layer 9"):
        load(tiny.write(tmp_path / "b"), layer=9)
