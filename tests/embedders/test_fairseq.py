"""fairseq HuBERT checkpoints give the same features, without fairseq and without running them."""

from __future__ import annotations

import argparse
import collections
import enum
import re
import sys
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from rvc.embedders import fairseq
from rvc.embedders.manager import EmbedderManager, forget
from rvc.errors import BadInput
from tests.embedders import tiny_embedders as tiny

BACK = (  # public -> fairseq
    (r"^(feature_extractor\.conv_layers\.\d+)\.conv\.", r"\1.0."),
    (r"^feature_projection\.projection\.", "post_extract_proj."),
    (r"^feature_projection\.layer_norm\.", "layer_norm."),
    (r"^encoder\.pos_conv_embed\.conv\.", "encoder.pos_conv.0."),
    (r"^(encoder\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"^(encoder\.layers\.\d+)\.attention\.", r"\1.self_attn."),
    (r"^(encoder\.layers\.\d+)\.feed_forward\.intermediate_dense\.", r"\1.fc1."),
    (r"^(encoder\.layers\.\d+)\.feed_forward\.output_dense\.", r"\1.fc2."),
    (r"parametrizations\.weight\.original0", "weight_g"),
    (r"parametrizations\.weight\.original1", "weight_v"),
    (r"^masked_spec_embed", "mask_emb"),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVC_HOME", str(tmp_path / "home"))
    forget()


@pytest.fixture
def task_classes() -> Iterator[ModuleType]:
    """Classes of a package that exists while the file is written and not when it is read."""
    module = types.ModuleType("fairseq_like")

    class Dictionary:
        def __init__(self) -> None:
            self.symbols = ["a", "b"]
            self.indices = collections.defaultdict(int, a=1)

    class Node:
        def __init__(self, value: Any) -> None:
            self._val = value

    class Mode(enum.Enum):
        LAYER = "layer_norm"

    for kind in (Dictionary, Node, Mode):
        kind.__module__, kind.__qualname__ = "fairseq_like", kind.__name__
        setattr(module, kind.__name__, kind)
    sys.modules["fairseq_like"] = module
    yield module
    sys.modules.pop("fairseq_like", None)


def to_fairseq(state: Mapping[str, torch.Tensor], large: bool) -> dict[str, Any]:
    out = {}
    for key, value in state.items():
        norm = r"\1.2.1." if large else r"\1.2."
        key = re.sub(r"^(feature_extractor\.conv_layers\.\d+)\.layer_norm\.", norm, key)
        for pattern, name in BACK:
            key = re.sub(pattern, name, key)
        out[key] = value
    out["final_proj.weight"] = torch.randn(8, state["encoder.layer_norm.weight"].shape[0])
    out["final_proj.bias"] = torch.zeros(8)
    out["label_embs_concat"] = torch.randn(5, 8)
    return out


def checkpoint(
    kind: str, task: ModuleType, file: Path, old_format: bool = False, style: str = "cfg"
) -> Any:
    """A fairseq-shaped file from a random public model; returns that model."""
    large = kind == "hubert-large"
    other = tiny.reference(tiny.config(**tiny.SHAPES[kind]) | {"num_hidden_layers": 3})
    content = {"model": to_fairseq(other.state_dict(), large), "task_state": task.Dictionary()}
    if style == "cfg":
        node = task.Node
        content["cfg"] = {
            "model": {"layer_norm_first": node(large), "encoder_attention_heads": node(2)},
            "task": {"normalize": node(large), "mode": task.Mode.LAYER},
        }
    else:
        content["args"] = argparse.Namespace(
            normalize=large, layer_norm_first=large, encoder_attention_heads=2
        )
    torch.save(content, file, _use_new_zipfile_serialization=not old_format)
    sys.modules.pop("fairseq_like")
    return other


@pytest.mark.parametrize("kind", ["hubert-base", "hubert-large"])
@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("style", ["cfg", "args"])
def test_converted_checkpoint_equals_the_public_model(
    kind: str, old_format: bool, style: str, task_classes: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "model.pt"
    other = checkpoint(kind, task_classes, file, old_format, style)
    embedder = EmbedderManager().load("custom", file)
    assert embedder.spec.normalize == (kind == "hubert-large")
    wave = np.random.default_rng(0).standard_normal(12000).astype("f4") * 0.1
    heard = (wave - wave.mean()) / wave.std() if embedder.spec.normalize else wave
    with torch.inference_mode():
        want = other(torch.from_numpy(heard.astype("f4"))[None]).last_hidden_state[0].numpy()
    np.testing.assert_allclose(embedder(wave), want, atol=5e-5)
    assert EmbedderManager().load("custom", file, projected=True).spec.width == 8


@pytest.mark.parametrize("old_format", [False, True])
def test_hostile_checkpoints_run_nothing(
    old_format: bool, task_classes: ModuleType, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"

    class Open:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
            return (open, (str(marker), "w"))

    class Shell:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
            import os

            return (os.system, (f"touch {marker}",))

    class Evaluate:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
            return (eval, (f"open({str(marker)!r}, 'w')",))

    class Lookup:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
            return (getattr, ("text", "upper"))

    for bomb in (Open(), Shell(), Evaluate(), Lookup()):
        file = tmp_path / "bomb.pt"
        torch.save({"model": bomb}, file, _use_new_zipfile_serialization=not old_format)
        with pytest.raises(BadInput):
            fairseq.convert(file)
        assert not marker.exists()


def test_a_pickle_that_unpacks_to_gigabytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bomb.pt"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"N" * (65 << 20))
    assert file.stat().st_size < 1 << 20
    monkeypatch.setattr(fairseq, "_mentioned", None)  # must not even be looked at
    with pytest.raises(BadInput, match="damaged"):
        fairseq.convert(file)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.pt"
    torch.save({"model": {"encoder.weight": torch.zeros(2)}}, file)
    with pytest.raises(BadInput, match="not a fairseq HuBERT"):
        fairseq.convert(file)
    file.write_bytes(b"<html>")
    with pytest.raises(BadInput, match="damaged"):
        fairseq.convert(file)
    torch.save({"model": torch.zeros(3)}, file)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(BadInput, match="damaged"):
        fairseq.convert(file)
