"""HuBERT checkpoints of the fairseq kind, read without fairseq and without running their pickles.

Such a file holds the weights beside the training task's own objects (namespaces, configuration
nodes, dictionaries). torch's restricted reader is given an inert stand-in for each class the file
names, so objects become plain attribute holders and nothing of theirs is ever imported or called.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from rvc.embedders.embedder import DAMAGE
from rvc.errors import BadInput
from rvc.hub.safe import PICKLE_LIMIT_BYTES

NAMES = (  # (fairseq, public), applied in this order
    (r"^w2v_encoder\.w2v_model\.", ""),
    (r"^(feature_extractor\.conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.2\.(1\.)?", r"\1.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"^(encoder\.layers\.\d+)\.self_attn_layer_norm\.", r"\1.layer_norm."),
    (r"^(encoder\.layers\.\d+)\.self_attn\.", r"\1.attention."),
    (r"^(encoder\.layers\.\d+)\.fc1\.", r"\1.feed_forward.intermediate_dense."),
    (r"^(encoder\.layers\.\d+)\.fc2\.", r"\1.feed_forward.output_dense."),
)
PLAIN = ("collections.OrderedDict", "collections.Counter")  # the restricted reader's own
STRIDES = [5, 2, 2, 2, 2, 2, 2]


class Inert:
    """Stands in for every class a checkpoint names: keeps what it is given, does nothing."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **_kwargs: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


def convert(file: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
    """(config, other declarations, weights) in the public layout from a fairseq `.pt`.

    Raises:
        BadInput: damaged, or not a HuBERT checkpoint.
    """
    found = read(file)
    state = found.get("model") if isinstance(found, dict) else None
    if not isinstance(state, dict) or not any("post_extract_proj" in k for k in state):
        raise BadInput(
            f"{file} is not a fairseq HuBERT checkpoint.",
            "Custom embedders are folders with config.json and weights, or HuBERT .pt files.",
        )
    weights = {rename(k): v for k, v in state.items() if isinstance(v, Tensor)}
    settings = {k: v for k, v in found.items() if k != "model"}
    config = _config(weights, settings)
    normalize = _find(settings, "normalize")
    extra = {"do_normalize": normalize} if isinstance(normalize, bool) else {}
    return config, extra, weights


def rename(key: str) -> str:
    """The public name of a fairseq weight."""
    for pattern, name in NAMES:
        key = re.sub(pattern, name, key)
    return key


def _config(weights: dict[str, Tensor], settings: Any) -> dict[str, Any]:
    """A `config.json` from the shapes of the weights, and from the file where shapes are silent."""
    convs = [weights[f"feature_extractor.conv_layers.{i}.conv.weight"] for i in range(len(STRIDES))]
    layered = "feature_extractor.conv_layers.1.layer_norm.weight" in weights
    width = weights["feature_projection.projection.weight"].shape[0]
    depth = len({m[1] for k in weights if (m := re.match(r"encoder\.layers\.(\d+)\.", k))})
    position = next(
        v for k, v in weights.items() if "pos_conv" in k and k.endswith(("_v", "original1"))
    )
    first = _find(settings, "layer_norm_first")
    heads = _find(settings, "encoder_attention_heads")
    final = weights.get("final_proj.weight")
    return {
        "model_type": "hubert",
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads if isinstance(heads, int) else max(1, width // 64),
        "intermediate_size": weights[
            "encoder.layers.0.feed_forward.intermediate_dense.weight"
        ].shape[0],
        "conv_dim": [c.shape[0] for c in convs],
        "conv_kernel": [c.shape[2] for c in convs],
        "conv_stride": STRIDES,
        "conv_bias": "feature_extractor.conv_layers.0.conv.bias" in weights,
        "feat_extract_norm": "layer" if layered else "group",
        "feat_proj_layer_norm": "feature_projection.layer_norm.weight" in weights,
        "do_stable_layer_norm": first if isinstance(first, bool) else layered,
        "num_conv_pos_embeddings": position.shape[2],
        "num_conv_pos_embedding_groups": width // position.shape[1],
        "classifier_proj_size": 256 if final is None else final.shape[0],
    }


def _find(value: Any, key: str, depth: int = 0) -> Any:
    """The first plain value called `key` anywhere in nested settings."""
    if depth > 12:
        return None
    if isinstance(value, Inert):
        value = vars(value)
    if isinstance(value, dict):
        if key in value:
            return _plain(value[key])
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            if (found := _find(part, key, depth + 1)) is not None:
                return found
    return None


def _plain(value: Any) -> Any:
    """A number or switch, unwrapped from a configuration node."""
    if isinstance(value, Inert):
        state = vars(value).get("state", {})
        return state.get("_val") if isinstance(state, dict) else None
    return value


def read(file: Path) -> Any:
    """The content of a checkpoint with every foreign class replaced by `Inert`.

    Raises:
        BadInput: damaged, or hostile beyond what the restricted reader takes.
    """
    try:
        names = {n for n in classes(file) if not n.startswith("torch.") and n not in PLAIN}
        with torch.serialization.safe_globals([(_inert(n), n) for n in sorted(names)]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile, *DAMAGE) as error:
        raise BadInput(
            f"{file} is damaged or is not a checkpoint.",
            "Nothing in it was executed. Fetch it again from its source.",
        ) from error


def _inert(name: str) -> Any:
    """A class of its own for each name, as the reader looks classes up by identity."""
    if name == "collections.defaultdict":
        return lambda *_default: OrderedDict()
    return type("Inert_" + re.sub(r"\W", "_", name), (Inert,), {})


def classes(file: Path) -> Iterator[str]:
    """Every `module.name` the pickles of a checkpoint mention, found without unpickling."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in archive.namelist():
                if member.endswith("data.pkl"):
                    if archive.getinfo(member).file_size > PICKLE_LIMIT_BYTES:
                        raise ValueError(f"{member} is implausibly large")
                    with archive.open(member) as stream:
                        yield from _mentioned(stream.read())
        return
    with file.open("rb") as stream:
        for _ in range(4):  # magic number, protocol, system, content; then raw storages
            yield from _mentioned(stream)


def _mentioned(pickled: bytes | BinaryIO | Any) -> Iterator[str]:
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            module, name = NAME_MAPPING.get((module, name), (module, name))
            yield f"{IMPORT_MAPPING.get(module, module)}.{name}"
        elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
            yield f"{strings[-2]}.{strings[-1]}"
        elif isinstance(argument, str):
            strings.append(argument)
