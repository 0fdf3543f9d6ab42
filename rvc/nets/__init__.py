"""Vocoders by name: facts only, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class VocoderInfo:
    """What is known of a vocoder before its network is built.

    Attributes:
        decoder: "module:class" of the decoder network.
        rates: sample rates in Hz it has a configuration for.
        discriminator: version of the discriminator it is trained against.
        note: one line for menus.
    """

    decoder: str
    rates: tuple[int, ...]
    discriminator: str
    note: str


VOCODERS = {
    "HiFi-GAN": VocoderInfo(
        "rvc.nets.hifigan:HiFiGAN", (32000, 40000, 48000), "v2", "Applio's and RVC's standard."
    ),
    "MRF HiFi-GAN": VocoderInfo(
        "rvc.nets.mrf:MRFHiFiGAN", (32000, 40000, 48000), "v2", "HiFi-GAN with nine harmonics."
    ),
    "RefineGAN": VocoderInfo(
        "rvc.nets.refinegan:RefineGAN", (24000, 32000), "v3", "Refines a pitch template."
    ),
}
VocoderName = Literal["HiFi-GAN", "MRF HiFi-GAN", "RefineGAN"]
