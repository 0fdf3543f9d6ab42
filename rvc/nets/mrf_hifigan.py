"""MRF HiFi-GAN: Applio's variant with nine harmonics and every outer convolution normalised."""

from __future__ import annotations

from torch import Tensor, nn

from rvc.nets.config import VoiceSettings
from rvc.nets.hifigan import (
    HarmonicSource,
    Mean,
    Staged,
    source_convs,
    stage_channels,
    upsampler,
)
from rvc.nets.layers import GLOBAL_NOISE, Noise, conv1d, leaky, maybe_checkpointed

OVERTONES = 8


class Layer(nn.Module):
    """A dilated and a plain convolution around a residual path."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = conv1d(channels, channels, kernel, dilation)
        self.conv2 = conv1d(channels, channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(leaky(x))
        out: Tensor = x + self.conv2(leaky(y))
        return out


class Block(nn.Module):
    """Layers of growing dilation (the files call them `layers`)."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(channels, kernel, d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class MRFHiFiGAN(Staged):
    """HiFi-GAN with a fuller source; for voices with pitch only."""

    harmonics = OVERTONES

    def __init__(self, settings: VoiceSettings, use_f0: bool = True) -> None:
        super().__init__(settings)
        first, channels = settings.upsample_initial_channel, stage_channels(settings)
        rates = settings.upsample_rates
        self.m_source = HarmonicSource(
            settings.sample_rate, settings.hop_length, self.harmonics, by_sample=True
        )
        self.conv_pre = conv1d(settings.inter_channels, first, 7, spread=None)
        self.upsamples = nn.ModuleList(
            upsampler(inputs, width, kernel, rate)
            for inputs, width, kernel, rate in zip(
                [first, *channels], channels, settings.upsample_kernel_sizes, rates, strict=False
            )
        )
        self.noise_convs = source_convs(channels, rates)
        self.mrfs = nn.ModuleList(
            nn.ModuleList(
                Block(width, kernel, dilations)
                for kernel, dilations in zip(
                    settings.resblock_kernel_sizes, settings.resblock_dilation_sizes, strict=True
                )
            )
            for width in channels
        )
        self.conv_post = conv1d(channels[-1], 1, 7, spread=None)
        if settings.gin_channels:
            self.cond = nn.Conv1d(settings.gin_channels, first, 1)

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        out: Tensor = self.m_source(f0, noise)
        return out

    def stage(self, i: int, x: Tensor, sound: Tensor | None) -> Tensor:
        x = self.upsamples[i](leaky(x)) + self.noise_convs[i](sound)
        return maybe_checkpointed(self.checkpointing, Mean(self.mrfs[i].children()), x)
