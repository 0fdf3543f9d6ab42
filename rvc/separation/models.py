"""The networks that separate songs, by name; each is loaded once.

The kit's pair of U-Nets ships with the program. RoFormers separate better and are for GPUs: on a
processor they need ten seconds for a second of sound.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from rvc.config import KIT
from rvc.errors import BadInput, MissingModel
from rvc.hub import catalog, fetch, safe
from rvc.hub.digest import sha256
from rvc.nets import roformer, unet
from rvc.progress import Report, silent
from rvc.separation import spectra
from rvc.separation.chunks import Chunks

LOG = logging.getLogger(__name__)
FORMAT = 1  # of what a model makes of a song; a change makes what was kept unused


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
    """The model called `name`, or the checkpoint `file`, on a torch device.

    A model of the catalogue is fetched the first time, after its licence is said.

    Raises:
        MissingModel: its files are not here and cannot be fetched. Mismatch: another network.
    """
    if file is None and name == "kit":
        return _kit(device)
    if file is None:
        asset = catalog.one(f"stems/{name}/model.ckpt")
        if not asset.file.exists():
            LOG.info("%s is fetched once (licence: %s).", name, asset.licence)
        (file,) = fetch.ensure([asset], report)
    if not file.is_file():
        raise BadInput(f"{file} does not exist.", "Give the checkpoint of a RoFormer.")
    return _roformer(file, file.stat().st_mtime_ns, device)


@lru_cache(maxsize=1)
def _kit(device: str) -> StemModel:
    files = [KIT / "stems" / f"{stem}.safetensors" for stem in ("vocals", "accompaniment")]
    for file in files:
        if not file.is_file():
            raise MissingModel(f"{file} is missing.", "Install the program again: it ships it.")
    vocals, accompaniment = (_magnitudes(file, device) for file in files)

    def voice(song: Iterable[np.ndarray], power: float) -> Iterator[np.ndarray]:
        work = spectra.Separation(vocals, accompaniment, spectra.gain_for(power))
        return work.voice(song)

    return StemModel(voice, _seal(*files))


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


@lru_cache(maxsize=2)
def _roformer(file: Path, changed_ns: int, device: str) -> StemModel:
    """A checkpoint; a file beside it of its name and the ending .yaml may say its hop."""
    weights = safe.load(file)
    weights = weights.get("state_dict", weights) if isinstance(weights, dict) else weights
    checked = safe.check_tensors(weights, str(file))
    net = roformer.build(checked, str(file), _hop(file)).to(device)

    @torch.inference_mode()
    def stem(chunk: np.ndarray) -> np.ndarray:
        wave = torch.from_numpy(np.ascontiguousarray(chunk))[None].to(device)
        out: np.ndarray = net(wave)[0, 0].cpu().numpy()
        return out

    def voice(song: Iterable[np.ndarray], power: float) -> Iterator[np.ndarray]:
        return Chunks(stem).voice(song)

    return StemModel(voice, _seal(file))


def _hop(checkpoint: Path) -> int:
    """The hop that a settings file beside a checkpoint names, else the usual one.

    Only the one line is read, as text: such files may ask a YAML reader to build objects.
    """
    settings = next((f for f in (checkpoint.with_suffix(s) for s in (".yaml", ".yml"))
                     if f.is_file()), None)  # fmt: skip
    if settings is None:
        return roformer.HOP
    for line in settings.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "stft_hop_length" and value.strip().isdecimal():
            return int(value)
    return roformer.HOP


def _seal(*files: Path) -> str:
    return hashlib.sha256(" ".join([str(FORMAT), *map(sha256, files)]).encode()).hexdigest()
