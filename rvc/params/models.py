"""Parameters of the verbs that look after the public model files."""

from __future__ import annotations

from typing import Literal

from rvc.params.base import Params, argument, option


class Prerequisites(Params):
    """Download what is needed before the first use: base models, pitch and content models."""

    pretraineds_hifigan: bool = option(True, "Base models of HiFi-GAN (32, 40, 48 kHz).")
    pretraineds_refinegan: bool = option(
        False, "Base models of RefineGAN (24, 32 kHz).", "Advanced"
    )
    models: bool = option(True, "Pitch predictors and the contentvec embedder.")
    exe: bool = option(
        True, "Kept for Applio's command lines: no program is ever downloaded.", "Advanced"
    )


class Assets(Params):
    """List, download, verify or adopt the public model files."""

    action: Literal["list", "download", "verify", "adopt"] = argument(
        "list", "list, download, verify, or adopt files of an existing installation."
    )
    what: tuple[str, ...] = argument(
        (),
        "download, verify, list: names of embedders, folders or files, or all. "
        "adopt: folders to look through.",
    )
