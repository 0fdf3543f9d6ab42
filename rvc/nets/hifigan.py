"""HiFi-GAN decoders: with a sine source for voices that know pitch, and without one.

The source, the pitch of a voice as sound before a decoder shapes it, serves the other decoders too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nets.config import VoiceSettings
from rvc.nets.layers import (
    GLOBAL_NOISE,
    Decoder,
    Noise,
    ResBlock,
    frame_phase,
    hold,
    leaky,
    maybe_checkpointed,
    normed,
    reach_frames,
    sum_of_turns,
)

AMPLITUDE = 0.1
VOICED_NOISE = 0.003
UNVOICED_NOISE = AMPLITUDE / 3


def glide(x: Tensor, times: int) -> Tensor:
    """Interpolate linearly: (B, T) -> (B, T * times)."""
    return F.interpolate(x[:, None], scale_factor=float(times), mode="linear")[:, 0]


def sample_phase(f0: Tensor, sample_rate: int) -> Tensor:
    """Phase in turns of a pitch given for every sample: (B, N) Hz -> (B, N), float32."""
    return sum_of_turns(torch.fmod(f0 / sample_rate, 1.0))


def sines(phase: Tensor, voiced: Tensor, harmonics: int, noise: Noise) -> Tensor:
    """Harmonics of a phase with the noise of breath.

    Args:
        phase: (B, N) turns of the fundamental.
        voiced: (B, N) ones and zeros.
        harmonics: overtones besides the fundamental.

    Returns:
        (B, N, harmonics + 1).
    """
    order = torch.arange(1, harmonics + 2, device=phase.device, dtype=phase.dtype)
    offset = noise.uniform(phase[:, :1, None].expand(-1, -1, harmonics + 1))
    offset = torch.cat([torch.zeros_like(offset[..., :1]), offset[..., 1:]], dim=-1)
    turns = torch.fmod(phase[:, :, None] * order, 1.0) + offset
    waves = AMPLITUDE * torch.sin(2 * math.pi * turns)
    voiced = voiced[:, :, None].to(waves.dtype)
    breath = voiced * VOICED_NOISE + (1 - voiced) * UNVOICED_NOISE
    return waves * voiced + noise.normal(waves) * breath


class HarmonicSource(nn.Module):
    """One channel of excitation from sines, merged by a learned linear layer (`l_linear`).

    Args:
        hop: samples per frame.
        harmonics: overtones besides the fundamental.
        by_sample: phase is summed sample by sample (MRF) instead of frame by frame (HiFi-GAN).
    """

    def __init__(self, sample_rate: int, hop: int, harmonics: int, by_sample: bool) -> None:
        super().__init__()
        self.sample_rate, self.hop, self.harmonics = sample_rate, hop, harmonics
        self.by_sample = by_sample
        self.l_linear = nn.Linear(harmonics + 1, 1)

    def forward(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        """(B, T) Hz, 0 = unvoiced -> (B, 1, T * hop)."""
        with torch.no_grad():
            f0 = f0.float()  # phases need more than half precision
            if self.by_sample:
                phase = sample_phase(hold(f0, self.hop), self.sample_rate)
            else:
                phase = frame_phase(f0, self.hop, self.sample_rate)
            waves = sines(phase, hold(f0 > 0, self.hop), self.harmonics, noise)
        merged = self.l_linear(waves.to(self.l_linear.weight.dtype))
        return torch.tanh(merged).transpose(1, 2)


FINAL_SLOPE = 0.01


def upsampler(inputs: int, outputs: int, kernel: int, rate: int) -> nn.ConvTranspose1d:
    """Weight-normed transposed convolution that multiplies the length by exactly `rate`."""
    odd = rate % 2
    padding = rate // 2 + 1 if odd else (kernel - rate) // 2
    layer = nn.ConvTranspose1d(inputs, outputs, kernel, rate, padding=padding, output_padding=odd)
    nn.init.normal_(layer.weight, 0.0, 0.01)
    return normed(layer)


def source_convs(channels: list[int], rates: tuple[int, ...]) -> nn.ModuleList:
    """For each stage, the convolution that brings the source down to the stage's rate."""
    convs = nn.ModuleList()
    for i, width in enumerate(channels):
        stride = math.prod(rates[i + 1 :])
        kernel = 2 * stride - stride % 2 if stride > 1 else 1
        convs.append(nn.Conv1d(1, width, kernel, stride, padding=(kernel - stride) // 2))
    return convs


def stage_channels(settings: VoiceSettings) -> list[int]:
    """Channels after each upsampling stage."""
    first = settings.upsample_initial_channel
    return [first // 2 ** (i + 1) for i in range(len(settings.upsample_rates))]


class Staged(Decoder):
    """A decoder whose stages each raise the rate and then add what the source says.

    Attributes:
        stages: how many there are.
        later_frames: latent frames on each side that the stages after the first can see.
    """

    use_f0 = True
    conv_pre: nn.Module
    conv_post: nn.Module
    cond: nn.Module

    def __init__(self, settings: VoiceSettings) -> None:
        super().__init__(settings)
        self.stages = len(settings.upsample_rates)
        self.first_rate = settings.upsample_rates[0]
        self.later_frames = reach_frames(settings, begun=1)

    def stage(self, i: int, x: Tensor, sound: Tensor | None) -> Tensor:
        """(B, C, T) and the source (B, 1, S) -> (B, C / 2, T * rate of the stage)."""
        raise NotImplementedError

    def forward(
        self,
        z: Tensor,
        f0: Tensor | None = None,
        g: Tensor | None = None,
        source: Tensor | None = None,
        noise: Noise = GLOBAL_NOISE,
    ) -> Tensor:
        sound = self._source(f0, source, noise) if self.use_f0 else None
        x = self._first_layer(z, g)
        for i in range(self.stages):
            x = self.stage(i, x, sound)
        return self._last_layer(x)

    def cropped(self, z: Tensor, g: Tensor, sound: Tensor | None, keep: Tensor) -> Tensor:
        """The wave of frames [keep[0], keep[1]) of z, right but for `later_frames` at its ends.

        Only the first stage sees far: the others are spared most of a block's margin.
        """
        x = self.stage(0, self._first_layer(z, g), sound)
        begin, end = keep[0], keep[1]
        x = x[:, :, begin * self.first_rate : end * self.first_rate]
        if sound is not None:
            sound = sound[:, :, begin * self.hop : end * self.hop]
        for i in range(1, self.stages):
            x = self.stage(i, x, sound)
        return self._last_layer(x)

    def _first_layer(self, z: Tensor, g: Tensor | None) -> Tensor:
        x = self.conv_pre(z)
        out: Tensor = x if g is None else x + self.cond(g)
        return out

    def _last_layer(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv_post(leaky(x, FINAL_SLOPE)))


class HiFiGAN(Staged):
    """RVC's standard decoder; without F0 it has no source and no noise convolutions."""

    needs_f0 = False

    def __init__(self, settings: VoiceSettings, use_f0: bool = True) -> None:
        super().__init__(settings)
        first, channels = settings.upsample_initial_channel, stage_channels(settings)
        rates = settings.upsample_rates
        self.kernels = len(settings.resblock_kernel_sizes)
        # the order of these lines is the order of optimiser states in public G_ files
        if use_f0:
            self.m_source = HarmonicSource(
                settings.sample_rate, settings.hop_length, harmonics=0, by_sample=False
            )
        self.conv_pre = nn.Conv1d(settings.inter_channels, first, 7, padding=3)
        self.ups = nn.ModuleList(
            upsampler(inputs, width, kernel, rate)
            for inputs, width, kernel, rate in zip(
                [first, *channels], channels, settings.upsample_kernel_sizes, rates, strict=False
            )
        )
        if use_f0:
            self.noise_convs = source_convs(channels, rates)
        self.resblocks = nn.ModuleList(
            ResBlock(width, kernel, dilations)
            for width in channels
            for kernel, dilations in zip(
                settings.resblock_kernel_sizes, settings.resblock_dilation_sizes, strict=True
            )
        )
        self.conv_post = nn.Conv1d(channels[-1], 1, 7, padding=3, bias=False)
        if settings.gin_channels:
            self.cond = nn.Conv1d(settings.gin_channels, first, 1)
        self.use_f0 = use_f0

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        out: Tensor = self.m_source(f0, noise)
        return out

    def stage(self, i: int, x: Tensor, sound: Tensor | None) -> Tensor:
        x = self.ups[i](leaky(x))
        if sound is not None:
            x = x + self.noise_convs[i](sound)
        blocks = Mean(list(self.resblocks)[i * self.kernels : (i + 1) * self.kernels])
        return maybe_checkpointed(self.checkpointing, blocks, x)


class Mean:
    """The mean of what several modules make of the same input."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self.modules = list(modules)

    def __call__(self, x: Tensor) -> Tensor:
        total = self.modules[0](x)
        for module in self.modules[1:]:
            total = total + module(x)
        out: Tensor = total / len(self.modules)
        return out
