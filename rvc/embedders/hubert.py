"""Content encoders of the HuBERT family: HuBERT, WavLM, wav2vec 2.0 and Data2Vec-audio.

One network reads the public Hugging Face layout of all four (base and large, group- or layer-norm
front end, norm after or before each block). It holds only the blocks that are asked for, and
needs no other package than torch. Papers: arXiv 2106.07447, 2110.13900, 2006.11477, 2202.03555.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.embedders.embedder import fill, prepare
from rvc.embedders.hubert_input import FrontEnd, PositionConv, PositionStack, Projection
from rvc.embedders.hubert_shape import ACTIVATIONS, Shape
from rvc.errors import BadInput


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
        merged: Tensor = self.out_proj(out.transpose(1, 2).reshape(b, frames, width))
        return merged

    def gate(self, heads: Tensor) -> Tensor:
        """(B, H, F, W / H) -> (B, H, F, 1): how much of the bias a frame wants."""
        linear: Tensor = self.gru_rel_pos_linear(heads)
        parts = linear.reshape(*linear.shape[:-1], 2, 4).sum(-1).sigmoid()
        update, reset = parts[..., :1], parts[..., 1:]
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
        learnt: Tensor = self.rel_attn_embed(bucket)
        return learnt.permute(2, 0, 1)[None]


class FeedForward(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(s.hidden_size, s.intermediate_size)
        self.output_dense = nn.Linear(s.intermediate_size, s.hidden_size)
        self.act = ACTIVATIONS[s.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.output_dense(self.act(self.intermediate_dense(x)))
        return out


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
            x = x + self.feed_forward(self.final_layer_norm(x))
        else:
            x = self.layer_norm(x + self.attention(x, mask, bias))
            x = self.final_layer_norm(x + self.feed_forward(x))
        return x


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
        if self.before and hasattr(self, "layer_norm"):
            x = self.layer_norm(x)
        return x


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
        x: Tensor = nn.utils.rnn.pad_sequence(parts, batch_first=True)
        keep = None
        if len({len(p) for p in parts}) > 1:
            ends = torch.tensor([len(p) for p in parts], device=x.device)
            keep = (torch.arange(x.shape[1], device=x.device)[None] < ends[:, None]).to(x.dtype)
        x = self.encoder(x, keep)
        if self.final_proj is not None:
            x = self.final_proj(x)
        return x


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
