"""Self-attention with learned relative positions, as the text encoder of public voices uses it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        return self.conv_o(y.transpose(2, 3).flatten(1, 2))


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
