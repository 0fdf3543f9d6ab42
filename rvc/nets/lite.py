"""The lite text encoder and decoder, for machines without a GPU: all work at frame rate.

The encoder is a ConvNeXt trunk: it learns in hundreds of steps what attention with its norms behind
needs tens of thousands for. In the decoder a flat harmonic comb at the pitch and white noise are
the source. Another trunk turns latent, pitch and speaker into one filter for each of them
(magnitude and phase for the comb, magnitude for the noise); both are applied in the short-time
spectrum, and one inverse STFT makes the sound: about 0.8 GFLOP per second of it, and the pitch is
right from the first training step on. Trunk as in Vocos (arXiv 2306.00814), source and filter as
in DDSP (arXiv 2001.04643).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nets.config import VoiceSettings
from rvc.nets.layers import (
    GLOBAL_NOISE,
    Decoder,
    Noise,
    frame_phase,
    hold,
    maybe_checkpointed,
    sequence_mask,
)

BLOCKS = 8
KERNEL = 7
QUIET = -3.0  # natural log of both filters before training
MOST = 4.0  # and their ceiling
CERTAIN = -3.0  # natural log of the prior's deviation before training


def comb(f0: Tensor, hop: int, sample_rate: int) -> Tensor:
    """All harmonics below the Nyquist frequency, in phase: (B, T) Hz -> (B, T * hop).

    A closed-form sum of cosines. Its power is 1 whatever the pitch, and 0 where f0 is 0.
    """
    hz = hold(f0, hop)
    phase = math.pi * frame_phase(f0, hop, sample_rate)  # half the fundamental's, in radians
    count = torch.ceil(0.5 * sample_rate / hz.clamp(min=20.0)) - 1
    half = torch.remainder(phase, math.pi)
    below = torch.sin(half)
    near = below.abs() < 1e-4
    kernel = torch.sin((2 * count + 1) * half) / torch.where(near, torch.ones_like(below), below)
    total = 0.5 * (torch.where(near, 2 * count + 1, kernel) - 1)
    return total * torch.sqrt(4 * hz / sample_rate)


class ConvNeXt(nn.Module):
    """Depthwise convolution over time, then a per-frame network: (B, C, T) -> (B, C, T)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.into = nn.Linear(width, 3 * width)
        self.back = nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1.0 / BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        out: Tensor = x + (self.back(F.gelu(self.into(y))) * self.scale).transpose(1, 2)
        return out


class Encoder(nn.Module):
    """Content features and coarse pitch to the mean and log-deviation of the prior.

    Stands in for `rvc.nets.encoders.TextEncoder` and takes the same sizes; `inner` is its width.
    """

    def __init__(
        self,
        out_channels: int,
        _width: int,
        inner: int,
        _heads: int,
        depth: int,
        _kernel: int,
        _dropout: float,
        embed_width: int,
        use_f0: bool = True,
    ) -> None:
        super().__init__()
        self.emb_phone = nn.Linear(embed_width, inner)
        if use_f0:
            self.emb_pitch = nn.Embedding(256, inner)
            nn.init.normal_(self.emb_pitch.weight, 0.0, 0.02)
        self.into = nn.Conv1d(inner, inner, KERNEL, padding=KERNEL // 2)
        self.blocks = nn.ModuleList(ConvNeXt(inner) for _ in range(depth))
        self.norm = nn.LayerNorm(inner)
        self.proj = nn.Conv1d(inner, 2 * out_channels, 1)
        nn.init.zeros_(self.proj.weight.data[out_channels:])
        nn.init.constant_(self.proj.bias.data[out_channels:], CERTAIN)  # type: ignore[union-attr]

    def forward(
        self, phone: Tensor, pitch: Tensor | None, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, E), (B, T) 1..255 or None, (B,) -> m, logs (B, I, T) and mask (B, 1, T)."""
        x = self.emb_phone(phone)
        if pitch is not None:
            x = x + self.emb_pitch(pitch)
        mask = sequence_mask(lengths, x.shape[1]).to(x.dtype)
        x = self.into(x.transpose(1, 2) * mask)
        for block in self.blocks:
            x = block(x * mask)
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        m, logs = (self.proj(x) * mask).chunk(2, dim=1)
        return m, logs, mask


class ShortTime(nn.Module):
    """Short-time spectra whose frame t is centred on sample (t + 1/2) * hop, and back again."""

    window: Tensor

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop, self.edge = n_fft, hop, (n_fft - hop) // 2
        self.register_buffer("window", torch.hann_window(n_fft, device="cpu"), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """(B, T * hop) -> complex (B, n_fft // 2 + 1, T)."""
        wave = F.pad(wave, (self.edge, self.edge))
        return torch.stft(
            wave, self.n_fft, self.hop, window=self.window, center=False, return_complex=True
        )

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Complex (B, n_fft // 2 + 1, T) -> (B, T * hop), exact where frames overlap fully."""
        frames = torch.fft.irfft(spectrum, self.n_fft, dim=1) * self.window[:, None]
        shape = self.window.square()[None, :, None].expand(1, -1, spectrum.shape[2])
        wave, weight = self._overlap(frames), self._overlap(shape)
        return wave / weight.clamp(min=1e-2)

    def _overlap(self, frames: Tensor) -> Tensor:
        """(B, n_fft, T) -> (B, T * hop)."""
        length = (frames.shape[2] - 1) * self.hop + self.n_fft
        laid = F.fold(frames, (1, length), (1, self.n_fft), stride=(1, self.hop))[:, 0, 0]
        return laid[:, self.edge : length - self.edge]


class Lite(Decoder):
    """The decoder; `upsample_initial_channel` of the settings is its width."""

    def __init__(self, settings: VoiceSettings, use_f0: bool = True) -> None:
        super().__init__(settings)
        width = settings.upsample_initial_channel
        self.sample_rate = settings.sample_rate
        n_fft = 16 * self.hop // 5  # 3.2 hops: 32 ms
        self.bins = n_fft // 2 + 1
        self.context_frames = KERNEL // 2 * (BLOCKS + 1) + 4
        self.short_time = ShortTime(n_fft, self.hop)
        self.conv_pre = nn.Conv1d(settings.inter_channels, width, KERNEL, padding=KERNEL // 2)
        self.pitch = nn.Conv1d(2, width, 1)
        if settings.gin_channels:
            self.cond = nn.Conv1d(settings.gin_channels, width, 1)
        self.norm_pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(ConvNeXt(width) for _ in range(BLOCKS))
        self.norm_post = nn.LayerNorm(width)
        self.filters = nn.Linear(width, 3 * self.bins)
        self._quieten()

    def _quieten(self) -> None:
        nn.init.normal_(self.filters.weight, 0.0, 0.01)
        bias: Any = self.filters.bias
        nn.init.constant_(bias, QUIET)
        nn.init.zeros_(bias[2 * self.bins :])

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        """(B, T) Hz -> (B, 4, T * hop): comb, white noise, octaves above 160 Hz, voiced.

        The trunk reads its pitch from the last two, so a source is all that a block needs.
        """
        with torch.no_grad():
            tone = comb(f0.float(), self.hop, self.sample_rate)
            voiced = (f0 > 0).float()
            octaves = torch.log2(f0.float().clamp(min=20.0) / 160.0) * voiced
            held = [hold(x, self.hop) for x in (octaves, voiced)]
            return torch.stack([tone, noise.normal(tone[..., None])[..., 0], *held], dim=1)

    def forward(
        self,
        z: Tensor,
        f0: Tensor | None = None,
        g: Tensor | None = None,
        source: Tensor | None = None,
        noise: Noise = GLOBAL_NOISE,
    ) -> Tensor:
        sound = self._source(f0, source, noise).float()
        log_tone, log_noise, angle = self.shape(z, sound, g)
        tone, hiss = (self.short_time(sound[:, i]) for i in range(2))
        shaped = tone * torch.polar(log_tone.exp(), angle) + hiss * log_noise.exp()
        return torch.tanh(self.short_time.inverse(shaped))[:, None]

    def shape(self, z: Tensor, sound: Tensor, g: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Both filters, (B, n_fft // 2 + 1, T) each: log magnitudes of tone and noise, and angle.

        Args:
            z: (B, I, T). sound: (B, 4, T * hop) as from `source`. g: (B, G, 1).
        """
        x = self.conv_pre(z) + self.pitch(sound[:, 2:, :: self.hop].to(z.dtype))
        if g is not None:
            x = x + self.cond(g)
        x = self.norm_pre(x.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = maybe_checkpointed(self.checkpointing, block, x)
        made = self.filters(self.norm_post(x.transpose(1, 2))).float().transpose(1, 2)
        log_tone, log_noise, angle = made.chunk(3, dim=1)
        return log_tone.clamp(max=MOST), log_noise.clamp(max=MOST), angle

    def for_export(self) -> Decoder:
        return RealLite(self)


class RealLite(Decoder):
    """Same weights, same sound: short-time spectra as convolutions with cosines and sines."""

    window: Tensor
    forward_basis: Tensor
    inverse_basis: Tensor

    def __init__(self, lite: Lite) -> None:
        nn.Module.__init__(self)
        self.lite, self.hop, self.context_frames = lite, lite.hop, lite.context_frames
        n_fft, window = lite.short_time.n_fft, lite.short_time.window.double().cpu()
        self.edge = lite.short_time.edge
        turns = torch.outer(torch.arange(n_fft // 2 + 1), torch.arange(n_fft)).double() / n_fft
        angle = 2 * math.pi * torch.fmod(turns, 1.0)
        both = torch.cat([torch.cos(angle), -torch.sin(angle)])  # (2 * bins, n_fft)
        twice = torch.full((n_fft // 2 + 1, 1), 2.0, dtype=torch.float64)
        twice[0] = twice[-1] = 1.0
        back = both * torch.cat([twice, twice]) / n_fft
        self.register_buffer("forward_basis", (both * window)[:, None].float())
        self.register_buffer("inverse_basis", (back * window)[:, None].float())
        self.register_buffer("window", window.square()[None, None].float())

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        return self.lite.source(f0, noise)

    def _spectrum(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, T * hop) -> real and imaginary parts (B, bins, T)."""
        padded = F.pad(wave, (self.edge, self.edge))
        real, imaginary = F.conv1d(padded, self.forward_basis, stride=self.hop).chunk(2, dim=1)
        return real, imaginary

    def _overlap(self, frames: Tensor, basis: Tensor) -> Tensor:
        laid = F.conv_transpose1d(frames, basis, stride=self.hop)
        return laid[:, :, self.edge : laid.shape[2] - self.edge]

    def forward(
        self,
        z: Tensor,
        f0: Tensor | None = None,
        g: Tensor | None = None,
        source: Tensor | None = None,
        noise: Noise = GLOBAL_NOISE,
    ) -> Tensor:
        sound = self._source(f0, source, noise).float()
        log_tone, log_noise, angle = self.lite.shape(z, sound, g)
        (tone, tone_i), (hiss, hiss_i) = (self._spectrum(sound[:, i : i + 1]) for i in range(2))
        size, level = log_tone.exp(), log_noise.exp()
        c, s = size * torch.cos(angle), size * torch.sin(angle)
        real = tone * c - tone_i * s + hiss * level
        imaginary = tone * s + tone_i * c + hiss_i * level
        wave = self._overlap(torch.cat([real, imaginary], dim=1), self.inverse_basis)
        weight = self._overlap(torch.ones_like(real[:, :1]), self.window)
        return torch.tanh(wave / weight.clamp(min=1e-2))
