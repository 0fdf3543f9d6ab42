"""The networks that separate songs, by name; each is loaded once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from rvc.config import KIT
from rvc.errors import MissingModel
from rvc.nets import unet
from rvc.songs.spectra import Network

FORMAT = 1  # of what a model makes of a song; a change makes what was kept unused


@dataclass(frozen=True)
class StemModel:
    """A pair of networks that hear the two stems of a song.

    Attributes:
        vocals, accompaniment: magnitudes (2, frames, bins) -> those of the stem.
        digest: of both weights files and of the way they are used.
    """

    vocals: Network
    accompaniment: Network
    digest: str


@lru_cache(maxsize=2)
def load(name: str = "kit", device: str = "cpu") -> StemModel:
    """The model called `name` on a torch device.

    Raises:
        MissingModel: its files are not here. Mismatch: they are something else.
    """
    files = [KIT / "stems" / f"{stem}.safetensors" for stem in ("vocals", "accompaniment")]
    for file in files:
        if not file.is_file():
            raise MissingModel(f"{file} is missing.", "Install the program again: it ships it.")
    seal = hashlib.sha256(f"{name} {FORMAT}".encode())
    for file in files:
        seal.update(file.read_bytes())
    vocals, accompaniment = (_network(file, device) for file in files)
    return StemModel(vocals, accompaniment, seal.hexdigest())


def _network(file: Path, device: str) -> Network:
    net = unet.load(file).to(device)
    for weight in net.parameters():
        if weight.ndim == 4:  # channels last: a quarter faster on a CPU
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def stem(magnitudes: np.ndarray) -> np.ndarray:
        mix = torch.from_numpy(np.ascontiguousarray(magnitudes, np.float32))[None].to(device)
        out: np.ndarray = net(mix.contiguous(memory_format=torch.channels_last))[0].cpu().numpy()
        return out

    return stem
