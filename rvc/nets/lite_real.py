"""The lite decoder without complex numbers, for formats that have none (ONNX)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nets.hifigan import Decoder
from rvc.nets.layers import GLOBAL_NOISE, Noise

if TYPE_CHECKING:
    from rvc.nets.lite import Lite


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
