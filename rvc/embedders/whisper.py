"""Content encoders of the Whisper family (and the kit's mini embedder, which is one of them).

The encoder is run on windows as short as the recording, its positions cut to that length. Frames
are laid so that frame i covers samples 320 i .. 320 i + 400, as HuBERT's do. An optional trained
`projector` on top takes the speaker out. Paper: arXiv 2212.04356.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.audio.dsp import mel_bank
from rvc.embedders.embedder import fill, prepare
from rvc.errors import BadInput

RATE = 16000
N_FFT = 400
MEL_HOP = 160
MARGIN_FRAMES = 50  # context on each side of a window of a long recording, 1 s


@dataclass(frozen=True)
class WhisperShape:
    """The part of a Whisper `config.json` that decides the encoder; public names and defaults.

    `projector_*` are this program's own: widths of the speaker-removing layers, 0 = none.
    """

    d_model: int = 384
    encoder_layers: int = 4
    encoder_attention_heads: int = 6
    encoder_ffn_dim: int = 1536
    num_mel_bins: int = 80
    max_source_positions: int = 1500
    projector_hidden: int = 0
    projector_width: int = 0

    @classmethod
    def read(cls, config: dict[str, Any]) -> WhisperShape:
        """Pick the known keys.

        Raises:
            BadInput: a size is not a number that an encoder can have.
        """
        known = {f.name for f in fields(cls)}
        shape = cls(**{k: v for k, v in config.items() if k in known})
        sizes = [getattr(shape, name) for name in known]
        if not all(isinstance(n, int) and 0 <= n <= 65536 for n in sizes):
            raise BadInput("This Whisper config.json holds a size that is not a whole number.")
        if shape.d_model % max(1, shape.encoder_attention_heads) or not shape.num_mel_bins:
            raise BadInput("This Whisper config.json does not describe an encoder.")
        return shape


class LogMel(nn.Module):
    """Whisper's input: decimal log-mel of 400-sample windows every 160 samples."""

    keep_fp32 = True  # see `rvc.precision.guard`
    bank: Tensor
    window: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        bank = torch.from_numpy(mel_bank(RATE, N_FFT, bands)).float()
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """(T,) -> (1, bands, (T - 400) // 160 + 1)."""
        spectrum = torch.stft(
            wave.float(), N_FFT, MEL_HOP, window=self.window, center=False, return_complex=True
        )
        mel = torch.log10((self.bank @ spectrum.abs().square()).clamp(min=1e-10))
        return ((torch.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0)[None]


class SelfAttention(nn.Module):
    """Multi-head self-attention; keys have no bias, as in the public weights."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, W) -> (B, F, W)."""
        q, k, v = (
            p(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.out_proj(mixed)
        return out


class EncoderLayer(nn.Module):
    """Attention and feed-forward, each with its norm before it."""

    def __init__(self, s: WhisperShape) -> None:
        super().__init__()
        self.self_attn = SelfAttention(s.d_model, s.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(s.d_model)
        self.fc1 = nn.Linear(s.d_model, s.encoder_ffn_dim)
        self.fc2 = nn.Linear(s.encoder_ffn_dim, s.d_model)
        self.final_layer_norm = nn.LayerNorm(s.d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        grown: Tensor = self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))
        return x + grown


class Encoder(nn.Module):
    """Log-mel to frames: (1, bands, M) -> (1, (M + 1) // 2, W)."""

    def __init__(self, s: WhisperShape, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(s.num_mel_bins, s.d_model, 3, padding=1)
        self.conv2 = nn.Conv1d(s.d_model, s.d_model, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(s.max_source_positions, s.d_model)
        self.layers = nn.ModuleList(EncoderLayer(s) for _ in range(depth))
        self.layer_norm = nn.LayerNorm(s.d_model) if depth == s.encoder_layers else None

    def forward(self, mel: Tensor) -> Tensor:
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.embed_positions.weight[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        if self.layer_norm is not None:
            x = self.layer_norm(x)
        return x


class Projector(nn.Module):
    """The speaker-removing layers: a linear path and a small convolutional correction of it."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, out)
        self.into = nn.Conv1d(width, hidden, 3, padding=1) if hidden else None
        self.back = nn.Conv1d(hidden, out, 3, padding=1) if hidden else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, W) -> (B, F, out)."""
        y: Tensor = self.linear(x)
        if self.into is not None and self.back is not None:
            y = y + self.back(F.gelu(self.into(x.transpose(1, 2)))).transpose(1, 2)
        return y


class WhisperEncoder(nn.Module):
    """A whole embedder network.

    Attributes:
        width: numbers per frame it returns.
        layer: block whose output is returned, counted from 1.
    """

    hop = 2 * MEL_HOP

    def __init__(self, s: WhisperShape, layer: int) -> None:
        super().__init__()
        self.mel = LogMel(s.num_mel_bins)
        self.encoder = Encoder(s, layer)
        projected = s.projector_width > 0
        self.projector = (
            Projector(s.d_model, s.projector_hidden, s.projector_width) if projected else None
        )
        self.width = s.projector_width or s.d_model
        self.layer = layer
        self.most = s.max_source_positions

    def frames(self, samples: int) -> int:
        """How many frames come out of so many samples."""
        return (samples - N_FFT) // self.hop + 1 if samples >= N_FFT else 0

    def forward(self, waves: list[Tensor]) -> Tensor:
        """Waves (T_i,) -> (B, longest, width); rows beyond a wave's own frames are zero."""
        return nn.utils.rnn.pad_sequence([self._one(w) for w in waves], batch_first=True)

    def _one(self, wave: Tensor) -> Tensor:
        """(T,) -> (F, width), in windows no longer than the position table."""
        total = self.frames(len(wave))
        step = self.most - 2 * MARGIN_FRAMES
        parts = []
        for start in range(0, total, step):
            end = min(total, start + step)
            first = max(0, start - MARGIN_FRAMES)
            last = min(total, end + MARGIN_FRAMES)
            piece = wave[first * self.hop : (last - 1) * self.hop + N_FFT]
            parts.append(self._window(piece)[start - first : end - first])
        return torch.cat(parts)

    def _window(self, wave: Tensor) -> Tensor:
        x: Tensor = self.encode(self.mel(wave))
        return x[0]

    def encode(self, mel: Tensor) -> Tensor:
        """Log-mel (1, bands, M) -> (1, (M + 1) // 2, width)."""
        x: Tensor = self.encoder(mel.to(self.encoder.conv1.weight.dtype))
        return x if self.projector is None else self.projector(x)

    def through(self, encode: Callable[[Tensor], Tensor]) -> WhisperEncoder:
        """The same network with another way from mel to features, such as a graph."""
        other = copy(self)
        other._modules = {"mel": self.mel}
        other.__dict__["encode"] = encode
        return other


def build(
    config: dict[str, Any], weights: dict[str, Tensor], layer: int | None, projected: bool
) -> WhisperEncoder:
    """Make the network and fill it; see `rvc.embedders.FAMILIES` for what is expected of it.

    Raises:
        BadInput: weights or layers are missing, or `projected`, which only HuBERT models have.
    """
    shape = WhisperShape.read(config)
    depth = layer or shape.encoder_layers
    if not 1 <= depth <= shape.encoder_layers:
        raise BadInput(
            f"Layer {layer} was asked for, but this embedder has {shape.encoder_layers}.",
            "Choose a layer that exists.",
        )
    if projected:
        raise BadInput(
            "A Whisper encoder has no final projection, which this voice was trained with.",
            "Choose the embedder that the voice was trained with.",
        )
    network = WhisperEncoder(shape, depth)
    fill(network, prepare(weights))
    return network
