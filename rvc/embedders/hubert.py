"""Content encoders of the HuBERT family: HuBERT, WavLM, wav2vec 2.0 and Data2Vec-audio.

One network reads the public Hugging Face layout of all four (base and large, group- or layer-norm
front end, norm after or before each block). It holds only the blocks that are asked for, and
needs no other package than torch. Papers: arXiv 2106.07447, 2110.13900, 2006.11477, 2202.03555.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.embedders.weights import fill, prepare
from rvc.errors import BadInput

ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
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


class ConvLayer(nn.Module):
    """Convolution, optional norm, activation: (B, C, T) -> (B, C', T')."""

    def __init__(self, s: Shape, i: int) -> None:
        super().__init__()
        wide = s.conv_dim[i]
        before = s.conv_dim[i - 1] if i else 1
        self.conv = nn.Conv1d(before, wide, s.conv_kernel[i], s.conv_stride[i], bias=s.conv_bias)
        self.act = ACTIVATIONS[s.feat_extract_activation]
        self.layer_norm: nn.Module | None = None
        if s.feat_extract_norm == "layer":
            self.layer_norm = nn.LayerNorm(wide)
        elif i == 0:
            self.layer_norm = nn.GroupNorm(wide, wide)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if isinstance(self.layer_norm, nn.LayerNorm):
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        elif self.layer_norm is not None:
            x = self.layer_norm(x)
        return self.act(x)


class FrontEnd(nn.Module):
    """Samples to frames: (B, T) -> (B, F, C); one frame per 320 samples, 400 samples wide."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(ConvLayer(s, i) for i in range(len(s.conv_dim)))

    def forward(self, wave: Tensor) -> Tensor:
        x = wave[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x.transpose(1, 2)


class Projection(nn.Module):
    """Frames to the width of the transformer: (B, F, C) -> (B, F, W)."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        normed = s.feat_proj_layer_norm or s.model_type != "hubert"
        self.layer_norm = (
            nn.LayerNorm(s.conv_dim[-1], eps=s.layer_norm_eps) if normed else nn.Identity()
        )
        self.projection = nn.Linear(s.conv_dim[-1], s.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(self.layer_norm(x))


class PositionConv(nn.Module):
    """Relative position from one wide grouped convolution; weight norm is folded when loading."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        size = s.num_conv_pos_embeddings
        self.conv = nn.Conv1d(
            s.hidden_size,
            s.hidden_size,
            size,
            padding=size // 2,
            groups=s.num_conv_pos_embedding_groups,
        )
        self.batch_norm = nn.BatchNorm1d(s.hidden_size) if s.conv_pos_batch_norm else nn.Identity()
        self.act = ACTIVATIONS[s.feat_extract_activation]

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        y = self.conv(self.batch_norm(x.transpose(1, 2)))
        return self.act(y[..., : x.shape[1]]).transpose(1, 2)


class PositionLayer(nn.Module):
    """One of Data2Vec's stacked position convolutions, with a norm that has no weights."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        size = s.conv_pos_kernel_size
        self.conv = nn.Conv1d(
            s.hidden_size,
            s.hidden_size,
            size,
            padding=size // 2,
            groups=s.num_conv_pos_embedding_groups,
        )
        self.norm = nn.LayerNorm(s.hidden_size, elementwise_affine=False)
        self.act = ACTIVATIONS[s.feat_extract_activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)))


class PositionStack(nn.Module):
    """Data2Vec's position: several narrow convolutions; padding is silenced between them."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PositionLayer(s) for _ in range(s.num_conv_pos_embeddings))

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        for layer in self.layers:
            x = layer(x) if keep is None else layer(x) * keep[..., None]
        return x


class Attention(nn.Module):
    """Self-attention; WavLM adds a position bias that each frame gates for itself."""

    def __init__(self, s: Shape, first: bool) -> None:
        super().__init__()
        self.heads = s.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(s.hidden_size, s.hidden_size) for _ in range(4)
        )
        self.gated = s.model_type == "wavlm"
        if self.gated:
            self.buckets, self.reach = s.num_buckets, s.max_bucket_distance
            self.gru_rel_pos_linear = nn.Linear(s.hidden_size // self.heads, 8)
            self.gru_rel_pos_const = nn.Parameter(torch.ones(1, self.heads, 1, 1))
            if first:
                self.rel_attn_embed = nn.Embedding(s.num_buckets, self.heads)

    def forward(self, x: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor:
        """x (B, F, W), mask (B, 1, 1, F) additive, bias (1, H, F, F) -> (B, F, W)."""
        b, frames, width = x.shape
        heads = x.view(b, frames, self.heads, -1).transpose(1, 2)
        q, k, v = (
            p(x).view(b, frames, self.heads, -1).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        added = mask
        if bias is not None:
            gated = self.gate(heads) * bias
            added = gated if mask is None else gated + mask
        if added is not None:
            added = added.to(q.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=added)
        return self.out_proj(out.transpose(1, 2).reshape(b, frames, width))

    def gate(self, heads: Tensor) -> Tensor:
        """(B, H, F, W / H) -> (B, H, F, 1): how much of the bias a frame wants."""
        update, reset = (
            self.gru_rel_pos_linear(heads).unflatten(-1, (2, 4)).sum(-1).sigmoid().chunk(2, -1)
        )
        return update * (reset * self.gru_rel_pos_const - 1) + 2

    def bias(self, frames: int) -> Tensor:
        """(1, H, F, F): a learnt number per bucket of distance; far distances share buckets."""
        at = torch.arange(frames, device=self.rel_attn_embed.weight.device)
        distance = at[None] - at[:, None]
        half = self.buckets // 2
        near = half // 2
        size = distance.abs()
        far = near + torch.log(size.clamp(min=1) / near) / math.log(self.reach / near) * (
            half - near
        )
        bucket = torch.where(size < near, size, far.long().clamp(max=half - 1))
        bucket = bucket + (distance > 0) * half
        return self.rel_attn_embed(bucket).permute(2, 0, 1)[None]


class FeedForward(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(s.hidden_size, s.intermediate_size)
        self.output_dense = nn.Linear(s.intermediate_size, s.hidden_size)
        self.act = ACTIVATIONS[s.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        return self.output_dense(self.act(self.intermediate_dense(x)))


class Block(nn.Module):
    """Attention and feed-forward, each with its norm after (base) or before (large)."""

    def __init__(self, s: Shape, first: bool) -> None:
        super().__init__()
        self.attention = Attention(s, first)
        self.layer_norm = nn.LayerNorm(s.hidden_size, eps=s.layer_norm_eps)
        self.feed_forward = FeedForward(s)
        self.final_layer_norm = nn.LayerNorm(s.hidden_size, eps=s.layer_norm_eps)
        self.before = s.do_stable_layer_norm

    def bias(self, frames: int) -> Tensor | None:
        """The position bias that all blocks share (WavLM's first block holds it)."""
        return self.attention.bias(frames) if self.attention.gated else None

    def forward(self, x: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor:
        if self.before:
            x = x + self.attention(self.layer_norm(x), mask, bias)
            return x + self.feed_forward(self.final_layer_norm(x))
        x = self.layer_norm(x + self.attention(x, mask, bias))
        return self.final_layer_norm(x + self.feed_forward(x))


class Transformer(nn.Module):
    """Position and blocks; `depth` of them are built, and the closing norm where it applies."""

    def __init__(self, s: Shape, depth: int) -> None:
        super().__init__()
        position = PositionStack if s.model_type == "data2vec-audio" else PositionConv
        self.pos_conv_embed = position(s)
        self.before = s.do_stable_layer_norm
        if not self.before or depth == s.num_hidden_layers:
            self.layer_norm = nn.LayerNorm(s.hidden_size, eps=s.layer_norm_eps)
        self.layers: Any = nn.ModuleList(Block(s, i == 0) for i in range(depth))

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """x (B, F, W), keep (B, F) 1 inside and 0 in the padding -> (B, F, W)."""
        mask = None
        if keep is not None:
            x = x * keep[..., None]
            mask = torch.zeros_like(keep).masked_fill(keep == 0, -1e4)[:, None, None]
        x = x + self.pos_conv_embed(x, keep)
        x = x if self.before else self.layer_norm(x)
        bias = self.layers[0].bias(x.shape[1])
        for layer in self.layers:
            x = layer(x, mask, bias)
        return self.layer_norm(x) if self.before and hasattr(self, "layer_norm") else x


class SpeechEncoder(nn.Module):
    """A whole embedder network.

    Attributes:
        width: numbers per frame it returns.
        layer: block whose output is returned, counted from 1.
    """

    def __init__(self, s: Shape, layer: int, projected: bool) -> None:
        super().__init__()
        self.feature_extractor = FrontEnd(s)
        self.feature_projection = Projection(s)
        self.encoder = Transformer(s, layer)
        self.final_proj = nn.Linear(s.hidden_size, s.classifier_proj_size) if projected else None
        self.width = s.classifier_proj_size if projected else s.hidden_size
        self.layer = layer
        self.hop = math.prod(s.conv_stride)
        self.kernels, self.strides = s.conv_kernel, s.conv_stride

    def frames(self, samples: int) -> int:
        """How many frames come out of so many samples."""
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            samples = (samples - kernel) // stride + 1 if samples >= kernel else 0
        return samples

    def forward(self, waves: list[Tensor]) -> Tensor:
        """Waves (T_i,) -> (B, longest, width); rows beyond a wave's own frames mean nothing.

        The front end sees each length alone, because a group norm would otherwise hear the padding.
        """
        parts = [self.feature_projection(self.feature_extractor(w[None]))[0] for w in waves]
        x = nn.utils.rnn.pad_sequence(parts, batch_first=True)
        keep = None
        if len({len(p) for p in parts}) > 1:
            ends = torch.tensor([len(p) for p in parts], device=x.device)
            keep = (torch.arange(x.shape[1], device=x.device)[None] < ends[:, None]).to(x.dtype)
        x = self.encoder(x, keep)
        return x if self.final_proj is None else self.final_proj(x)


def build(
    config: dict[str, Any], weights: dict[str, Tensor], layer: int | None, projected: bool
) -> SpeechEncoder:
    """Make the network and fill it; see `rvc.embedders.FAMILIES` for what is expected of it.

    Raises:
        BadInput: weights are missing or of another shape than the configuration says.
    """
    shape = Shape.read(config)
    depth = layer or shape.num_hidden_layers
    if not 1 <= depth <= shape.num_hidden_layers:
        raise BadInput(
            f"Layer {layer} was asked for, but this embedder has {shape.num_hidden_layers}.",
            "Choose a layer that exists.",
        )
    with torch.device("meta"):  # no time is spent on random numbers that are replaced at once
        network = SpeechEncoder(shape, depth, projected)
    fill(network, prepare(weights))
    return network
