"""The two encoders of a voice: content and pitch to a prior, spectrogram to a posterior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nets.layers import GLOBAL_NOISE, SLOPE, Noise, WaveNet, sequence_mask

WINDOW = 10


class RelativeAttention(nn.Module):
    """Multi-head attention whose keys and values know distances up to ten frames.

    Relative tables are shared by the heads; further distances have no relative term.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.emb_rel_k = nn.Parameter(torch.empty(1, 2 * WINDOW + 1, self.head_width))
        self.emb_rel_v = nn.Parameter(torch.empty(1, 2 * WINDOW + 1, self.head_width))
        for table in (self.emb_rel_k, self.emb_rel_v):
            nn.init.normal_(table, 0.0, self.head_width**-0.5)
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (
            nn.Conv1d(width, width, 1) for _ in range(4)
        )
        self.drop = nn.Dropout(dropout)
        for layer in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(layer.weight)

    def _split(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, heads, T, C / heads)."""
        return x.view(x.shape[0], self.heads, self.head_width, x.shape[2]).transpose(2, 3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, T), (B, 1, T, T) of ones and zeros -> (B, C, T)."""
        q = self._split(self.conv_q(x)) / math.sqrt(self.head_width)
        k, v = self._split(self.conv_k(x)), self._split(self.conv_v(x))
        near = q @ self.emb_rel_k[0].T  # (B, heads, T, 2W+1)
        scores = q @ k.transpose(2, 3) + _to_absolute(near)
        weights = self.drop(F.softmax(scores.masked_fill(mask == 0, -1e4), dim=-1))
        y = weights @ v + _to_relative(weights) @ self.emb_rel_v[0]
        out: Tensor = self.conv_o(y.transpose(2, 3).flatten(1, 2))
        return out


def _to_absolute(near: Tensor) -> Tensor:
    """Scores by distance (B, h, T, 2W+1) -> scores by frame (B, h, T, T), zero further away.

    Row i, column j of the result is the score of distance j - i. Padding each row to length
    T + 2W + 1 - 1 + 1 and reading the flat memory with a row one shorter shifts row i by i.
    """
    batch, heads, frames, _ = near.shape
    row = F.pad(near, (0, frames)).flatten(2)  # rows of length T + 2W + 1
    row = row[..., : frames * (frames + 2 * WINDOW)]
    shifted = row.view(batch, heads, frames, frames + 2 * WINDOW)
    return shifted[..., WINDOW : WINDOW + frames]


def _to_relative(weights: Tensor) -> Tensor:
    """Weights by frame (B, h, T, T) -> weights by distance -W..W (B, h, T, 2W+1)."""
    batch, heads, frames, _ = weights.shape
    wide = F.pad(weights, (WINDOW, WINDOW)).flatten(2)  # rows of length T + 2W
    wide = F.pad(wide, (0, frames))
    return wide.view(batch, heads, frames, frames + 2 * WINDOW + 1)[..., : 2 * WINDOW + 1]


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of (B, C, T), with the files' names gamma, beta."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, 1e-5)
        return y.transpose(1, 2)


class FeedForward(nn.Module):
    """Two convolutions over time with a ReLU between them."""

    def __init__(self, width: int, inner: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.pad = ((kernel - 1) // 2, kernel // 2)
        self.conv_1 = nn.Conv1d(width, inner, kernel)
        self.conv_2 = nn.Conv1d(inner, width, kernel)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.drop(torch.relu(self.conv_1(F.pad(x * mask, self.pad))))
        out: Tensor = self.conv_2(F.pad(y * mask, self.pad)) * mask
        return out


class Transformer(nn.Module):
    """Post-norm encoder layers."""

    def __init__(
        self, width: int, inner: int, heads: int, depth: int, kernel: int, dropout: float
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.attn_layers = nn.ModuleList(
            RelativeAttention(width, heads, dropout) for _ in range(depth)
        )
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(width) for _ in range(depth))
        self.ffn_layers = nn.ModuleList(
            FeedForward(width, inner, kernel, dropout) for _ in range(depth)
        )
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(width) for _ in range(depth))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, H, T), (B, 1, T) -> (B, H, T)."""
        both = mask[:, :, None, :] * mask[:, :, :, None]  # (B, 1, T, T)
        x = x * mask
        layers = zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        )
        for attention, norm_1, feed, norm_2 in layers:
            x = norm_1(x + self.drop(attention(x, both)))
            x = norm_2(x + self.drop(feed(x, mask)))
        return x * mask


class TextEncoder(nn.Module):
    """Content features and coarse pitch to the mean and log-deviation of the prior.

    Args:
        embed_width: E, 256 or 768 or whatever the embedder gives.
        use_f0: without it there is no pitch table.
    """

    def __init__(
        self,
        out_channels: int,
        width: int,
        inner: int,
        heads: int,
        depth: int,
        kernel: int,
        dropout: float,
        embed_width: int,
        use_f0: bool = True,
    ) -> None:
        super().__init__()
        self.width = width
        self.emb_phone = nn.Linear(embed_width, width)
        if use_f0:
            self.emb_pitch = nn.Embedding(256, width)
        self.encoder = Transformer(width, inner, heads, depth, kernel, dropout)
        self.proj = nn.Conv1d(width, 2 * out_channels, 1)

    def forward(
        self, phone: Tensor, pitch: Tensor | None, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, E), (B, T) 1..255 or None, (B,) -> m, logs (B, I, T) and mask (B, 1, T)."""
        x = self.emb_phone(phone)
        if pitch is not None:
            x = x + self.emb_pitch(pitch)
        x = F.leaky_relu(x * math.sqrt(self.width), SLOPE).transpose(1, 2)
        mask = sequence_mask(lengths, x.shape[2]).to(x.dtype)
        m, logs = (self.proj(self.encoder(x, mask)) * mask).chunk(2, dim=1)
        return m, logs, mask


class PosteriorEncoder(nn.Module):
    """Linear spectrogram to a sample of the latent; used in training only."""

    def __init__(self, spec_channels: int, out: int, width: int, speaker_width: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(spec_channels, width, 1)
        self.enc = WaveNet(width, 5, 16, speaker_width)
        self.proj = nn.Conv1d(width, 2 * out, 1)

    def forward(
        self, spec: Tensor, lengths: Tensor, g: Tensor | None, noise: Noise = GLOBAL_NOISE
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, S, T), (B,), (B, G, 1) -> z, m, logs (B, I, T) and mask (B, 1, T)."""
        mask = sequence_mask(lengths, spec.shape[2]).to(spec.dtype)
        x = self.enc(self.pre(spec) * mask, mask, g)
        m, logs = (self.proj(x) * mask).chunk(2, dim=1)
        return (m + noise.normal(m) * torch.exp(logs)) * mask, m, logs, mask
