"""RefineGAN: a pitch template is brought down to frames and refined back up to sound."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nets.config import VoiceSettings
from rvc.nets.hifigan import glide, sample_phase, sines
from rvc.nets.layers import (
    GLOBAL_NOISE,
    Decoder,
    Noise,
    ResBlock,
    conv1d,
    leaky,
    maybe_checkpointed,
    normed,
    resblock_reach,
)

SLOPE = 0.2
FIRST = 16
WIDTH = 512
KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
# torchaudio's documented "kaiser best" setting, which RefineGAN voices were trained with
ZERO_CROSSINGS = 64
ROLLOFF = 0.9475937167399596
KAISER_BETA = 14.769656459379492


@lru_cache(maxsize=32)
def _kaiser(orig: int, new: int, device: str, dtype: torch.dtype) -> tuple[Tensor, int]:
    """Filters (new, 1, taps) that turn `orig` samples into `new`, and how far they reach."""
    with torch.inference_mode(False):  # it is kept, and training needs it too
        cutoff = min(orig, new) * ROLLOFF
        reach = math.ceil(ZERO_CROSSINGS * orig / cutoff)
        at = torch.arange(-reach, reach + orig, dtype=torch.float64) / orig
        phase = torch.arange(new, dtype=torch.float64)[:, None] / new
        x = ((at - phase) * cutoff).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
        beta = torch.tensor(KAISER_BETA)
        window = torch.i0(beta * torch.sqrt(1 - (x / ZERO_CROSSINGS) ** 2)) / torch.i0(beta)
        x = x * math.pi
        sinc = torch.where(x == 0, torch.ones_like(x), x.sin() / x)
        taps = sinc * (window * (cutoff / orig))
        return taps[:, None].float().to(device, dtype), reach


def kaiser_resample(wave: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Differentiable resampling with a wide kaiser-windowed sinc; only the ratio matters.

    The same samples as torchaudio's `sinc_interp_kaiser` to the last bit where the rate is divided
    by a whole number. Theory: J. O. Smith, "Digital Audio Resampling Home Page".

    Args:
        wave: (..., T).

    Returns:
        (..., ceil(T * to_hz / from_hz)).
    """
    common = math.gcd(from_hz, to_hz)
    orig, new = from_hz // common, to_hz // common
    if orig == new:
        return wave
    taps, reach = _kaiser(orig, new, str(wave.device), wave.dtype)
    flat = F.pad(wave.reshape(-1, 1, wave.shape[-1]), (reach, reach + orig))
    phases = F.conv1d(flat, taps, stride=orig)  # (N, new, blocks)
    size = -(-new * wave.shape[-1] // orig)
    return phases.transpose(1, 2).reshape(*wave.shape[:-1], -1)[..., :size]


class Template(nn.Module):
    """One sine that follows the gliding pitch, with a learned gain (`merge`)."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        super().__init__()
        self.sample_rate, self.hop = sample_rate, hop
        self.merge = nn.ModuleList([nn.Linear(1, 1, bias=False)])

    def forward(self, f0: Tensor, noise: Noise) -> Tensor:
        """(B, T) Hz -> (B, 1, T * hop)."""
        with torch.no_grad():
            f0 = glide(f0.float(), self.hop)
            waves = sines(sample_phase(f0, self.sample_rate), f0 > 0, 0, noise)
        gain = next(self.merge.parameters())
        return torch.tanh(F.linear(waves.to(gain.dtype), gain)).transpose(1, 2)


class NoiseNorm(nn.Module):
    """Adds noise with a learned level per channel, then a leaky ReLU (the paper's AdaIN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), 1e-4))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        return leaky(x + noise.normal(x) * self.weight[None, :, None], SLOPE)


class Branch(nn.ModuleList):
    """A residual block between two noise layers."""

    def __init__(self, channels: int, kernel: int) -> None:
        block = ResBlock(channels, kernel, DILATIONS, SLOPE)
        super().__init__([NoiseNorm(channels), block, NoiseNorm(channels)])

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        out: Tensor = self[2](self[1](self[0](x, noise)), noise)
        return out


class ParallelBlock(nn.Module):
    """Three residual branches of different kernels, each between two noise layers."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.input_conv = nn.Conv1d(inputs, outputs, 7, padding=3)
        self.blocks = nn.ModuleList(Branch(outputs, kernel) for kernel in KERNELS)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        x = self.input_conv(x)
        total = torch.zeros_like(x)
        for branch in self.blocks:
            total = total + branch(x, noise)
        return total / len(self.blocks)


class RefineGAN(Decoder):
    """Decoder of RefineGAN voices; its widths do not depend on the settings, only its rates do."""

    def __init__(self, settings: VoiceSettings, use_f0: bool = True) -> None:
        super().__init__(settings)
        self.rates = settings.upsample_rates
        self.m_source = Template(settings.sample_rate, settings.hop_length)
        self.pre_conv = conv1d(1, FIRST, 7, spread=None)
        down = [FIRST * 2**i for i in range(len(self.rates) + 1)]  # 16 ... 256
        self.downsample_blocks = nn.ModuleList(
            conv1d(a, b, 7, spread=None) for a, b in zip(down, down[1:], strict=False)
        )
        self.mel_conv = conv1d(settings.inter_channels, WIDTH // 2, 7, spread=None)
        if settings.gin_channels:
            self.cond = nn.Conv1d(settings.gin_channels, WIDTH // 2, 1)
        self.upsample_conv_blocks = nn.ModuleList()
        channels, per_frame = WIDTH, 1
        for factor, remembered in zip(self.rates, reversed(down[:-1]), strict=True):
            self.upsample_conv_blocks.append(ParallelBlock(channels + remembered, channels // 2))
            channels, per_frame = channels // 2, per_frame * factor
            self.drawn += [(channels, per_frame)] * (2 * len(KERNELS))
        self.conv_post = normed(nn.Conv1d(channels, 1, 7, padding=3, bias=False))
        self.context_frames = self._reach()

    def _reach(self) -> int:
        rate, reach = 1, 3.0
        down, branch = 0.0, 3 + resblock_reach(KERNELS[-1], DILATIONS)
        for times in self.rates:
            down += (3 + math.ceil(ZERO_CROSSINGS / ROLLOFF)) / rate
            rate *= times
            reach += 1 + branch / rate
        return math.ceil(max(reach, reach - 3 + down)) + 2

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        out: Tensor = self.m_source(f0, noise)
        return out

    def forward(
        self,
        z: Tensor,
        f0: Tensor | None = None,
        g: Tensor | None = None,
        source: Tensor | None = None,
        noise: Noise = GLOBAL_NOISE,
    ) -> Tensor:
        x = self.pre_conv(self._source(f0, source, noise))
        remembered = []
        for factor, conv in zip(reversed(self.rates), self.downsample_blocks, strict=True):
            x = leaky(x, SLOPE)
            remembered.append(x)
            x = conv(kaiser_resample(x, factor, 1))
        shape = self.mel_conv(z)
        if g is not None:
            shape = shape + self.cond(g)
        x = torch.cat([shape, x], dim=1)
        for factor, block in zip(self.rates, self.upsample_conv_blocks, strict=True):
            x = F.interpolate(leaky(x, SLOPE), scale_factor=float(factor), mode="linear")
            x = torch.cat([x, remembered.pop()], dim=1)
            x = maybe_checkpointed(self.checkpointing, lambda y, b=block: b(y, noise), x)
        return torch.tanh(self.conv_post(leaky(x, SLOPE)))
