"""The networks that separate, by name; each is loaded once.

The kit's pair of U-Nets ships with the program. An MDX-Net separates better at forty times the
cost, RoFormers better still: they are for GPUs, on a processor they need ten seconds for a second.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from rvc import Report, silent
from rvc.config import KIT
from rvc.errors import BadInput, MissingModel
from rvc.hub import catalog, fetch, safe, sha256
from rvc.nets import roformer, unet
from rvc.separation import settings, spectra
from rvc.separation.chunks import CHUNK, Chunks, Stem
from rvc.separation.settings import ModelSettings

LOG = logging.getLogger(__name__)
FORMAT = 1  # of what a model makes of a song; a change makes what was kept unused
LEAD, DRY = "mdx-kara-2", "dereverb-mel"  # what is fetched for lead voices, and against rooms
SETTINGS = {  # of models in the catalogue, as their makers publish them
    "mdx-voc-ft": ModelSettings(window=7680, gain=1.021),
    LEAD: ModelSettings(window=5120, gain=1.065, rest=True),
}


@dataclass(frozen=True)
class StemModel:
    """What takes the voice out of a song.

    Attributes:
        voice: (blocks of the song (T, 2) at 44.1 kHz, its mean square) -> the voice, as long.
        digest: of the weights and of the way they are used.
    """

    voice: Callable[[Iterable[np.ndarray], float], Iterator[np.ndarray]]
    digest: str


def load(
    name: str = "kit", file: Path | None = None, device: str = "cpu", report: Report = silent
) -> StemModel:
    """The model called `name`, or that of `file`, on a torch device.

    A model of the catalogue is fetched the first time, after its size and licence are said.

    Raises:
        MissingModel: its files are not here and cannot be fetched. Mismatch: another network.
    """
    if file is not None:
        if not file.is_file():
            raise BadInput(f"{file} does not exist.", "Give a RoFormer's checkpoint or an MDX-Net.")
        return _read(file, file.stat().st_mtime_ns, device, settings.beside(file))
    if name == "kit":
        return _kit(device)
    (asset,) = catalog.under(f"stems/{name}")
    if not asset.file.exists():
        size = f"{(asset.size or 0) / 1e6:.0f} MB"
        LOG.warning("%s (%s) is fetched once. Its licence: %s.", name, size, asset.licence)
    (found,) = fetch.ensure([asset], report)
    return _read(found, found.stat().st_mtime_ns, device, SETTINGS.get(name, ModelSettings()))


@lru_cache(maxsize=1)
def _kit(device: str) -> StemModel:
    files = [KIT / "stems" / f"{stem}.safetensors" for stem in ("vocals", "accompaniment")]
    for file in files:
        if not file.is_file():
            raise MissingModel(f"{file} is missing.", "Install the program again: it ships it.")
    vocals, accompaniment = (_magnitudes(file, device) for file in files)

    def voice(song: Iterable[np.ndarray], power: float) -> Iterator[np.ndarray]:
        work = spectra.VoiceStream(vocals, accompaniment, spectra.gain_for(power))
        return work.voice(song)

    return StemModel(voice, _seal(files))


def _magnitudes(file: Path, device: str) -> spectra.Network:
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


@lru_cache(maxsize=3)  # a voice, lead and backing, the room
def _read(file: Path, changed_ns: int, device: str, how: ModelSettings) -> StemModel:
    """The network of a file that hears sound in chunks."""
    if file.suffix.lower() == ".onnx":
        from rvc.separation import mdx

        stem, chunk = mdx.load(file, how)
    else:
        stem, chunk = _roformer(file, device, how), CHUNK

    def voice(song: Iterable[np.ndarray], power: float) -> Iterator[np.ndarray]:
        return Chunks(stem, chunk).voice(song)

    return StemModel(voice, _seal([file], *astuple(how)))


def _roformer(file: Path, device: str, how: ModelSettings) -> Stem:
    weights = safe.load(file)
    if isinstance(weights, dict):  # as trainers save it, or safetensors
        weights = weights.get("state_dict", weights.get("weight", weights))
    checked = safe.check_tensors(weights, str(file))
    net = roformer.build(checked, str(file), how.hop or roformer.HOP).to(device)
    if how.stem >= len(net.mask_estimators):
        raise BadInput(
            f"{file} gives {len(net.mask_estimators)} stems, its settings mean another one.",
            "Correct `instruments` in them.",
        )

    @torch.inference_mode()
    def stem(chunk: np.ndarray) -> np.ndarray:
        wave = torch.from_numpy(np.ascontiguousarray(chunk))[None].to(device)
        out: np.ndarray = net(wave)[0, how.stem].cpu().numpy()
        return chunk - out if how.rest else out

    return stem


def _seal(files: Iterable[Path], *how: object) -> str:
    parts = [str(FORMAT), *map(sha256, files), *map(str, how)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
