"""Band-split and mel-band RoFormers: transformers that take the voice out of a song.

A stereo spectrogram is cut into bands; each band of each frame becomes a vector; transformers look
along time and along the bands in turn; one small network per band gives a complex mask. Sources:
"Music source separation with band-split RoPE transformer" (Lu et al. 2023, arXiv 2309.02612) and
"Mel-band RoFormer" (Wang et al. 2023, arXiv 2310.01809). Names of parameters are those of the
checkpoints in circulation, which therefore load as they are.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.audio.dsp import mel_bank
from rvc.errors import Mismatch

RATE = 44100
WINDOW = 2048
HOP = 441  # of nearly all checkpoints; their YAML files say another
# bins of the bands of the band-split kind (section 3.1 of its paper, as the programs use it)
BAND_SPLIT = (*(2,) * 24, *(4,) * 12, *(12,) * 8, *(24,) * 8, *(48,) * 8, 128, 129)


class Norm(nn.Module):
    """RMS norm: vectors of length sqrt(dim), times a gain per dimension."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.normalize(x, dim=-1) * len(self.gamma) ** 0.5 * self.gamma
        return out


def rotate(x: Tensor, freqs: Tensor) -> Tensor:
    """Rotary positions of (..., T, dim); neighbours (2 i, 2 i + 1) are a pair."""
    angle = torch.arange(x.shape[-2], device=x.device)[:, None] * freqs.float()
    cos, sin = angle.cos(), angle.sin()
    even, odd = x[..., ::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1)
    return turned.flatten(-2).to(x.dtype)


class Rotary(nn.Module):
    """The frequencies of rotary positions, which checkpoints carry."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.freqs = nn.Parameter(10000 ** (-torch.arange(0, dim, 2) / dim), requires_grad=False)


class Attention(nn.Module):
    """Self-attention (B, T, dim) with rotary positions and a gate per head."""

    def __init__(self, dim: int, heads: int, dim_head: int, rotary: Rotary) -> None:
        super().__init__()
        self.heads = heads
        self.rotary_embed = rotary
        self.norm = Norm(dim)
        self.to_qkv = nn.Linear(dim, heads * dim_head * 3, bias=False)
        self.to_gates = nn.Linear(dim, heads)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        freqs = self.rotary_embed.freqs
        out = F.scaled_dot_product_attention(rotate(q, freqs), rotate(k, freqs), v)
        out = out * self.to_gates(x).sigmoid().transpose(1, 2)[..., None]
        return cast(Tensor, self.to_out(out.transpose(1, 2).flatten(-2)))


class FeedForward(nn.Module):
    """Two layers behind a norm; the third place is that of a dropout."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        wide = 4 * dim
        inner = (nn.Linear(dim, wide), nn.GELU(), nn.Identity(), nn.Linear(wide, dim))
        self.net = nn.Sequential(Norm(dim), *inner)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.net(x))


class Transformer(nn.Module):
    """Attention and feed-forward layers (B, T, dim); the mel-band kind ends in a norm."""

    def __init__(
        self, dim: int, depth: int, heads: int, dim_head: int, rotary: Rotary, norm: bool
    ) -> None:
        super().__init__()
        pairs = ((Attention(dim, heads, dim_head, rotary), FeedForward(dim)) for _ in range(depth))
        self.layers = nn.ModuleList(nn.ModuleList(pair) for pair in pairs)
        self.norm = Norm(dim) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            attention, feed = cast(nn.ModuleList, layer)
            x = attention(x) + x
            x = feed(x) + x
        return cast(Tensor, self.norm(x))


class BandSplit(nn.Module):
    """(B, T, numbers of all bands) -> (B, T, bands, dim)."""

    def __init__(self, dim: int, widths: list[int]) -> None:
        super().__init__()
        self.widths = widths
        self.to_features = nn.ModuleList(nn.Sequential(Norm(w), nn.Linear(w, dim)) for w in widths)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.widths, -1)
        return torch.stack([net(p) for net, p in zip(self.to_features, parts, strict=True)], -2)


def perceptron(dim: int, hidden: int, out: int, inner: int) -> nn.Sequential:
    """`inner` hidden layers between dim and out."""
    layers: list[nn.Module] = [nn.Linear(dim, hidden), nn.Tanh()]
    for _ in range(inner - 1):
        layers += [nn.Linear(hidden, hidden), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(hidden, out))


class Masks(nn.Module):
    """(B, T, bands, dim) -> (B, T, numbers of all bands)."""

    def __init__(self, dim: int, widths: list[int], inner: int, hidden: int) -> None:
        super().__init__()
        self.to_freqs = nn.ModuleList(
            nn.Sequential(perceptron(dim, hidden, 2 * w, inner), nn.GLU(-1)) for w in widths
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([net(x[..., i, :]) for i, net in enumerate(self.to_freqs)], -1)


class RoFormer(nn.Module):
    """A song (B, 2, T) -> its stems (B, stems, 2, T), at 44.1 kHz.

    Args:
        bands: bins of each band; those of mel bands overlap, and their masks are averaged.
        mel: whether it is the mel-band kind.
        hop: of the spectrogram, in samples.
        inner: hidden layers of each mask's network. hidden: their width.
    """

    index: Tensor
    share: Tensor
    hann: Tensor

    def __init__(
        self,
        bands: list[Tensor],
        mel: bool,
        dim: int,
        depth: int,
        heads: int,
        dim_head: int,
        time_depth: int,
        band_depth: int,
        stems: int,
        inner: int,
        hidden: int,
        hop: int = HOP,
    ) -> None:
        super().__init__()
        self.hop = hop
        widths = [4 * len(band) for band in bands]  # two sides, real and imaginary
        index = torch.cat(bands)
        index = (2 * index[:, None] + torch.arange(2)).flatten()
        share = torch.bincount(index, minlength=WINDOW + 2).float()
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("share", share, persistent=False)
        self.register_buffer("hann", torch.hann_window(WINDOW), persistent=False)
        self.band_split = BandSplit(dim, widths)
        rotaries = Rotary(dim_head), Rotary(dim_head)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                Transformer(dim, n, heads, dim_head, rotary, mel)
                for n, rotary in zip((time_depth, band_depth), rotaries, strict=True)
            )
            for _ in range(depth)
        )
        self.final_norm = nn.Identity() if mel else Norm(dim)
        estimators = (Masks(dim, widths, inner, hidden) for _ in range(stems))
        self.mask_estimators = nn.ModuleList(estimators)

    def masks(self, x: Tensor) -> Tensor:
        """(B, frames, numbers of all bands) -> (B, stems, frames, numbers of all bands)."""
        x = self.band_split(x)
        for layer in self.layers:
            time, band = cast(nn.ModuleList, layer)
            batch, frames, bands, _ = x.shape
            x = time(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, bands)).transpose(1, 2)
            x = band(x.flatten(0, 1)).unflatten(0, (batch, frames))
        x = self.final_norm(x)
        return torch.stack([estimator(x) for estimator in self.mask_estimators], 1)

    def forward(self, wave: Tensor) -> Tensor:
        batch, _, samples = wave.shape
        sides = wave.flatten(0, 1)
        spec = torch.stft(sides, WINDOW, self.hop, window=self.hann, return_complex=True)
        spec = spec.unflatten(0, (batch, 2)).permute(0, 2, 1, 3).flatten(1, 2)  # (bin, side)
        heard = torch.view_as_real(spec[:, self.index]).permute(0, 2, 1, 3).flatten(-2)
        masks = torch.view_as_complex(self.masks(heard).float().unflatten(-1, (-1, 2)).contiguous())
        mask = spec.new_zeros(*masks.shape[:3], spec.shape[1]).index_add_(3, self.index, masks)
        stems = spec[:, None] * (mask / self.share).transpose(2, 3)
        stems = stems.unflatten(2, (-1, 2)).transpose(2, 3).flatten(0, 2)
        out = torch.istft(stems, WINDOW, self.hop, window=self.hann, length=samples)
        result: Tensor = out.unflatten(0, (batch, -1, 2))
        return result


def mel_bands(count: int) -> list[Tensor]:
    """Slaney's mel bands as sets of bins; both ends belong to the outermost ones."""
    bank = torch.from_numpy(mel_bank(RATE, WINDOW, count, dtype=np.float32))
    bank[0, 0] = bank[-1, -1] = 1
    return [(band > 0).nonzero()[:, 0] for band in bank]


def split_bands() -> list[Tensor]:
    """The bands of the band-split kind as sets of bins."""
    return list(torch.arange(sum(BAND_SPLIT)).split(list(BAND_SPLIT)))


def shape_of(weights: dict[str, Tensor]) -> dict[str, Any]:
    """The arguments of RoFormer that a checkpoint's tensors tell of, `hop` excepted.

    Raises:
        Mismatch: not such a checkpoint.
    """

    def count(prefix: str) -> int:
        """How many numbered members follow a prefix."""
        found = {n.removeprefix(prefix).split(".")[0] for n in weights if n.startswith(prefix)}
        return len({each for each in found if each.isdecimal()})

    try:
        dim = weights["band_split.to_features.0.1.weight"].shape[0]
        mel = "final_norm.gamma" not in weights
        bands = mel_bands(count("band_split.to_features.")) if mel else split_bands()
        first = "mask_estimators.0.to_freqs.0.0."
        return {
            "bands": bands,
            "mel": mel,
            "dim": dim,
            "depth": count("layers."),
            "heads": weights["layers.0.0.layers.0.0.to_gates.weight"].shape[0],
            "dim_head": 2 * len(weights["layers.0.0.layers.0.0.rotary_embed.freqs"]),
            "time_depth": count("layers.0.0.layers."),
            "band_depth": count("layers.0.1.layers."),
            "stems": count("mask_estimators."),
            "inner": count(first) - 1,
            "hidden": weights[f"{first}0.weight"].shape[0],
        }
    except (KeyError, IndexError) as error:
        raise Mismatch(
            f"These are not the weights of a band-split or mel-band RoFormer: {error} is missing.",
            "Give a checkpoint of one of these two kinds.",
        ) from error


def build(weights: dict[str, Tensor], named: str, hop: int = HOP) -> RoFormer:
    """The network of a checkpoint, on the CPU in float32.

    Raises:
        Mismatch: names or shapes are those of something else; `named` says of which file.
    """
    net = RoFormer(**shape_of(weights), hop=hop)
    wanted = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items() if name in wanted}
    if wanted != found:
        odd = sorted(name for name in wanted if wanted[name] != found.get(name))
        raise Mismatch(
            f"{named} is another kind of RoFormer: {odd[0]} does not fit.",
            "Give a checkpoint of a band-split or mel-band RoFormer for stereo at 44.1 kHz.",
        )
    net.load_state_dict({name: weights[name].float() for name in wanted})
    return net.eval().requires_grad_(False)
