"""Vocoders and discriminators by name: facts only, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rvc.plugins import Registry


@dataclass(frozen=True)
class VocoderInfo:
    """What is known of a vocoder before its network is built.

    Attributes:
        decoder: "module:class" of the decoder network, a `rvc.nets.layers.Decoder`.
        rates: sample rates in Hz it has a configuration for.
        discriminator: name in DISCRIMINATORS that it is trained against.
        note: one line for menus.
        mel: which mel loss it is trained with.
        encoder: "module:class" of the text encoder.
    """

    decoder: str
    rates: tuple[int, ...]
    discriminator: str
    note: str
    mel: Literal["single", "multi"] = "single"
    encoder: str = "rvc.nets.encoders:TextEncoder"


@dataclass(frozen=True)
class DiscriminatorPlan:
    """Which discriminators a discriminator version is made of, in the order of its key names.

    Attributes:
        periods: of the period discriminators.
        resolutions: (n_fft, hop, window) of the spectrogram discriminators.
        scale: whether the wave itself is judged first.
        spectral: (n_fft, hop, channels) of the small log-spectrogram discriminators.
    """

    periods: tuple[int, ...]
    resolutions: tuple[tuple[int, int, int], ...] = ()
    scale: bool = True
    spectral: tuple[tuple[int, int, int], ...] = ()


VOCODERS = Registry(
    "vocoders",
    {
        "HiFi-GAN": VocoderInfo(
            "rvc.nets.hifigan:HiFiGAN",
            (24000, 32000, 40000, 48000),
            "v2",
            "Applio's and RVC's standard.",
        ),
        "MRF HiFi-GAN": VocoderInfo(
            "rvc.nets.mrf_hifigan:MRFHiFiGAN",
            (24000, 32000, 40000, 48000),
            "v2",
            "HiFi-GAN with nine harmonics.",
        ),
        "RefineGAN": VocoderInfo(
            "rvc.nets.refinegan:RefineGAN",
            (24000, 32000, 40000, 48000),
            "v3",
            "Refines a pitch template.",
            mel="multi",
        ),
        "lite": VocoderInfo(
            "rvc.nets.lite:Lite",
            (24000,),
            "lite",
            "Fast, for machines without a GPU.",
            mel="multi",
            encoder="rvc.nets.lite:Encoder",
        ),
    },
    VocoderInfo,
)
if TYPE_CHECKING:
    VocoderName = str
else:  # packages add names that no type checker knows
    VocoderName = Literal[tuple(VOCODERS)]

DISCRIMINATORS = {
    "v1": DiscriminatorPlan((2, 3, 5, 7, 11, 17)),
    "v2": DiscriminatorPlan((2, 3, 5, 7, 11, 17, 23, 37)),
    "v3": DiscriminatorPlan(
        (2, 3, 5, 7, 11), ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
    ),
    "lite": DiscriminatorPlan(
        (), scale=False, spectral=((256, 64, 16), (512, 128, 16), (1024, 256, 16))
    ),
}
