"""Random embedders in the public folder layout: small ones, and any shape asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rvc.embedders.others import transformers

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 8,
}
BASE = {"model_type": "hubert", "feat_extract_norm": "group", "feat_proj_layer_norm": True}
LARGE = {  # chinese-hubert-large, only less deep
    "model_type": "hubert",
    "feat_extract_norm": "layer",
    "feat_proj_layer_norm": True,
    "do_stable_layer_norm": True,
    "conv_bias": True,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "num_hidden_layers": 2,
    "intermediate_size": 256,
    "num_conv_pos_embedding_groups": 16,
}
SHAPES = {  # every kind of front end, norm order and family
    "hubert-base": BASE,
    "hubert-large": LARGE | {k: TINY[k] for k in ("hidden_size", "num_attention_heads")},
    "hubert-no-projection-norm": BASE | {"feat_proj_layer_norm": False},
    "hubert-batch-norm": BASE | {"conv_pos_batch_norm": True},
    "wav2vec2-base": BASE | {"model_type": "wav2vec2"},
    "wav2vec2-large": LARGE
    | {"model_type": "wav2vec2"}
    | {k: TINY[k] for k in ("hidden_size", "num_attention_heads")},
    "wavlm-base": BASE | {"model_type": "wavlm", "num_buckets": 32, "max_bucket_distance": 40},
    "wavlm-large": LARGE
    | {"model_type": "wavlm", "num_buckets": 32, "max_bucket_distance": 40}
    | {k: TINY[k] for k in ("hidden_size", "num_attention_heads")},
    "data2vec": {
        "model_type": "data2vec-audio",
        "num_conv_pos_embeddings": 3,
        "conv_pos_kernel_size": 5,
    },
}


def config(**changes: Any) -> dict[str, Any]:
    """A tiny `config.json` as a dictionary."""
    return TINY | BASE | changes


def write(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    projected: bool = False,
    normalize: bool | None = None,
    kind: str = "safetensors",
    seed: int = 0,
) -> Path:
    """Write a random embedder; returns the folder.

    Args:
        changes: keys of config.json (see SHAPES, BASE, LARGE).
        projected: also write a final_proj, as Applio's files have.
        normalize: content of preprocessor_config.json; None writes none.
        kind: "safetensors" or "bin".
    """
    from rvc.embedders.hubert import SpeechEncoder
    from rvc.embedders.hubert_shape import Shape

    settings = config(**(changes or {}))
    shape = Shape.read(settings)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SpeechEncoder(shape, shape.num_hidden_layers, projected)
        state = {
            k: torch.randn_like(v) * 0.1 if "bias" in k else v.clone()
            for k, v in network.state_dict().items()
        }
    return save(folder, settings, state, normalize, kind)


def save(
    folder: Path,
    settings: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    normalize: bool | None = None,
    kind: str = "safetensors",
) -> Path:
    """Write config, preprocessor and weights."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))
    if normalize is not None:
        (folder / "preprocessor_config.json").write_text(
            json.dumps({"do_normalize": normalize, "sampling_rate": 16000})
        )
    state = {k: v.contiguous().clone() for k, v in state.items()}
    if kind == "safetensors":
        save_file(state, folder / "model.safetensors")
    else:
        torch.save(state, folder / "pytorch_model.bin")
    return folder


def reference(settings: Mapping[str, Any], seed: int = 0) -> Any:
    """The same network from the transformers package, with random weights, for comparison."""
    package = transformers()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        shape = package.AutoConfig.for_model(**settings)
        network = package.AutoModel.from_config(shape).eval()
        for name, p in network.named_parameters():  # so that no bias or scale is trivially 0 or 1
            p.data += 0.1 * torch.randn_like(p) if p.ndim == 1 else 0
            if "gru_rel_pos_const" in name:
                p.data += torch.randn_like(p)
    return network
