"""A recording of somebody else, rendered at every save: it tells how a voice converts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc import f0
from rvc.audio import formats, io
from rvc.config import paths
from rvc.embedders import EMBEDDERS
from rvc.embedders.manager import EmbedderManager, forget
from rvc.errors import VoiceError
from rvc.f0 import contour

log = logging.getLogger(__name__)

LONGEST_S = 6.0
Features = tuple[Tensor, Tensor, Tensor]


def find() -> Path | None:
    """Applio's reference recording, or the first of the sample recordings."""
    reference = paths().logs / "reference" / "reference.wav"
    if reference.is_file():
        return reference
    samples = sorted(paths().audios.glob("*")) if paths().audios.is_dir() else []
    wanted = (file for file in samples if formats.is_sound_name(file))
    return next((file for file in wanted if "_output" not in file.stem), None)


def load(
    embedder: Mapping[str, Any],
    device: torch.device,
    load_pitch: Callable[[str, str], f0.Extractor] = f0.load,
) -> Features | None:
    """(phone (T, E), pitch (T,), f0 (T,)) of its first seconds; None where it cannot be had."""
    file = find()
    if file is None:
        return None
    try:
        wave, _ = io.load(file, 16000)
        wave = wave[: int(LONGEST_S * 16000)]
        name = str(embedder["name"])
        known, custom = (name, None) if name in EMBEDDERS else ("custom", name)
        features = EmbedderManager().load(known, custom, device)(wave)
        hz = load_pitch("fcpe", str(device))(wave)
    except VoiceError as error:
        log.info("No recording of somebody else is rendered: %s", error.message)
        return None
    finally:
        forget()  # a training has better use for the memory
        if device.type == "cuda":
            torch.cuda.empty_cache()
    if features.shape[1] != embedder["width"]:
        log.info("No recording of somebody else is rendered: the embedder has changed.")
        return None
    frames = min(2 * len(features), len(hz))
    phone = torch.from_numpy(np.repeat(features, 2, axis=0)[:frames].copy())
    coarse = torch.from_numpy(contour.coarse(hz)[:frames].astype(np.int64))
    return phone, coarse, torch.from_numpy(hz[:frames].astype(np.float32))
