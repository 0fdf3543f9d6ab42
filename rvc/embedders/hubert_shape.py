"""What a `config.json` of the HuBERT family says of its network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadInput

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
}


@dataclass(frozen=True)
class Shape:
    """The part of a `config.json` that decides the network; public names and defaults."""

    model_type: str = "hubert"
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-5
    feat_extract_norm: str = "group"
    feat_extract_activation: str = "gelu"
    feat_proj_layer_norm: bool = True
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    conv_pos_kernel_size: int = 19
    conv_pos_batch_norm: bool = False
    do_stable_layer_norm: bool = False
    num_buckets: int = 320
    max_bucket_distance: int = 800
    classifier_proj_size: int = 256

    @classmethod
    def read(cls, config: dict[str, Any]) -> Shape:
        """Pick the known keys.

        Raises:
            BadInput: the configuration asks for a part that this network does not have.
        """
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k in known
        }
        if config.get("model_type") == "data2vec-audio":
            values.setdefault("num_conv_pos_embeddings", 5)
            values["feat_extract_norm"] = "layer"
        shape = cls(**values)
        for key in ("add_adapter", "adapter_attn_dim"):
            if config.get(key):
                raise BadInput(
                    f"This embedder's config.json sets {key}, which is not supported.",
                    "Use a model without adapters.",
                )
        for key in ("hidden_act", "feat_extract_activation"):
            if getattr(shape, key) not in ACTIVATIONS:
                raise BadInput(
                    f"This embedder's config.json sets {key} to {getattr(shape, key)!r}.",
                    "Known are: " + ", ".join(ACTIVATIONS) + ".",
                )
        return shape
