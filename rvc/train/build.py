"""Everything a training needs, made from its parameters and its folder."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch.amp.grad_scaler import GradScaler

from rvc.config import load_settings
from rvc.dataset import filelist, manifest
from rvc.dataset import filelist as clips
from rvc.dataset.filelist import Clip
from rvc.device import Device
from rvc.errors import Mismatch, StageFailed
from rvc.f0.contour import median_hz
from rvc.nets import VOCODERS, checkpoint, config
from rvc.nets.config import VoiceSettings
from rvc.nets.discriminators import Discriminators
from rvc.nets.synthesizer import Synthesizer
from rvc.params import Train
from rvc.train import export, holdout, preflight, pretrained
from rvc.train.dataset import MAX_FRAMES, Dataset, Sampler
from rvc.train.distributed import Ranks
from rvc.train.step import Recipe, State, optimiser

log = logging.getLogger(__name__)

CACHE_SHARE = 0.3  # of the free memory
LEAST_FRAMES = 5
EMBEDDER = {  # in a voice file: in the manifest
    "name": "embedder",
    "digest": "embedder_digest",
    "layer": "layer",
    "normalize": "normalize",
}


@dataclass(frozen=True)
class Material:
    """The clips of a voice: for learning, for judging, and what is known of them."""

    learn: list[Clip]
    held: list[Clip]
    settings: VoiceSettings
    embed_width: int
    embedder: dict[str, Any]
    speakers: dict[str, str]
    info: dict[str, Any]

    @property
    def n_speakers(self) -> int:
        return 1 + max(clip.speaker for clip in self.learn)


def material(p: Train, folder: Path) -> Material:
    """Read the experiment; reports every clip that will not be heard as it is.

    Raises:
        VoiceError: there is nothing to learn from, or it does not fit the parameters.
    """
    manifest.check(filelist.extracted(folder), {"sample_rate": p.sample_rate})
    own = folder / "config.json"
    chosen = config.load(p.sample_rate, p.vocoder)
    if own.is_file():
        chosen = _own_settings(own, chosen)
    listed = clips.read_filelist(folder, chosen.hop_length, p.sample_rate)
    preflight.check(folder, listed, clips.width(listed))
    usable = [clip for clip in listed if clip.frames >= LEAST_FRAMES]
    learn, held, gap = holdout.split(usable, p.holdout)
    _tell(listed, usable, held, gap, chosen.segment_frames)
    if not learn:
        raise StageFailed(f"{folder} has no clip long enough to learn from.", "Add recordings.")
    embedder, speakers, info = _known(folder)
    width = clips.width(usable)
    return Material(learn, held, chosen, width, embedder | {"width": width}, speakers, info)


def _own_settings(file: Path, standard: VoiceSettings) -> VoiceSettings:
    """The experiment's own config.json where it is for the same networks."""
    own = config.read(file)
    common = config.CONFIGS / f"{standard.sample_rate}.json"
    if common.is_file() and own == config.read(common):
        return standard  # put there before the vocoder was known, which may have its own
    same = ("sample_rate", "hop_length", "filter_length", "upsample_rates")
    for key in same:
        if getattr(own, key) != getattr(standard, key):
            raise Mismatch(
                f"{file} is for {key.replace('_', ' ')} {getattr(own, key)}, "
                f"the training wants {getattr(standard, key)}.",
                "Run preprocess and extract again for this rate, or delete the file.",
            )
    return own


def _tell(
    listed: list[Clip], usable: list[Clip], held: list[Clip], gap: list[Clip], segment: int
) -> None:
    groups = {
        "hold almost nothing and are left out": [c for c in listed if c not in set(usable)],
        "are shorter than a segment and will be repeated to fill one": [
            c for c in usable if c.frames < segment
        ],
        f"are longer than {MAX_FRAMES / 100:.0f} s and give another part every epoch": [
            c for c in usable if c.frames > MAX_FRAMES
        ],
        "are held out to judge the voice": held,
        "lie next to held-out clips and are left out": gap,
    }
    for what, found in groups.items():
        if found:
            names = ", ".join(clip.name for clip in found[:5])
            log.info("%d clips %s (%s%s).", len(found), what, names, ", ..." * (len(found) > 5))


def _known(folder: Path) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """(embedder, speaker names by number, model_info.json)."""
    file = folder / "model_info.json"
    info = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    made = manifest.require(folder, "extract").fingerprint
    embedder = {key: made.get(known) for key, known in EMBEDDER.items()}
    speakers = info.get("speakers") or {}
    return embedder, {str(k): str(v) for k, v in speakers.items()}, info


def networks(p: Train, m: Material, chosen: Device, rows: int) -> State:
    """Fresh networks with a table of `rows` speakers, and their optimisers."""
    torch.manual_seed(p.seed)
    g = Synthesizer(m.settings, m.embed_width, True, rows, p.vocoder)
    d = Discriminators(VOCODERS[p.vocoder].discriminator)
    g.dec.checkpointing = p.checkpointing
    d.set_checkpointing(p.checkpointing)
    g.to(chosen.device).train()
    d.to(chosen.device).train()
    return State(
        g,
        d,
        optimiser(g, m.settings, chosen.device),
        optimiser(d, m.settings, chosen.device),
        GradScaler(chosen.device.type, enabled=chosen.dtype == torch.float16),
    )


def begin(p: Train, m: Material, chosen: Device, folder: Path) -> State:
    """The state of a training that begins now; the log says with what."""
    first = pretrained.choose(p, folder)
    if first is None:
        log.info("Training starts from nothing.")
        return networks(p, m, chosen, m.n_speakers)
    files = [checkpoint.read_checkpoint(file) for file in (first.g, first.d)]
    table = files[0].model.get(pretrained.SPEAKERS)
    s = networks(p, m, chosen, max(m.n_speakers, 0 if table is None else len(table)))
    for net, file, path in zip((s.g, s.d), files, (first.g, first.d), strict=True):
        wrong = pretrained.adapt(net, file.model, path)
        log.info("Training starts from %s.", path)
        for phrase in wrong:
            log.warning("  not taken over as it is: %s", phrase)
    if first.own:
        _go_on(s, files, first.g)
    return s


def _go_on(s: State, files: list[checkpoint.Checkpoint], path: Path) -> None:
    """Take over epoch and optimisers of an unfinished training of another program."""
    taken = [
        pretrained.adopt_optimiser(optim, net, file.optimizer)
        for optim, net, file in zip((s.optim_g, s.optim_d), (s.g, s.d), files, strict=True)
    ]
    s.epoch = files[0].iteration + 1
    number = pretrained.PAIR.match(path.name)
    s.step = int(number[1]) if number and int(number[1]) != export.LATEST else 0
    word = "with" if all(taken) else "without"
    log.info("It goes on after epoch %d %s the optimisers' memory.", s.epoch - 1, word)


def recipe(p: Train, m: Material, chosen: Device, ranks: Ranks) -> Recipe:
    return Recipe(
        m.settings,
        chosen.device,
        chosen.dtype,
        p.clip_gradients,
        p.seed,
        VOCODERS[p.vocoder].mel == "multi",
        ranks,
    )


def dataset(p: Train, m: Material, device: torch.device) -> Dataset:
    """The clips to learn from, kept in GPU memory if asked, else in RAM if they fit."""
    needed = sum(c.frames for c in m.learn) * (m.settings.hop_length + m.embed_width // 2 + 3) * 4
    fits = needed < CACHE_SHARE * psutil.virtual_memory().available
    keep = device if p.cache_data_in_gpu else torch.device("cpu") if fits else None
    s = m.settings
    return Dataset(m.learn, s.hop_length, s.segment_frames, p.seed, keep)


def sampler(p: Train, data: Dataset, ranks: Ranks) -> Sampler:
    lengths = [data.length(i) for i in range(len(data.clips))]
    speakers = [clip.speaker for clip in data.clips]
    return Sampler(lengths, speakers, p.batch_size * ranks.world, p.seed)


def identity(p: Train, m: Material, ranks: Ranks) -> dict[str, Any]:
    """What must stay the same when a training goes on."""
    return {
        "sample_rate": p.sample_rate,
        "vocoder": p.vocoder,
        "batch_size": p.batch_size * ranks.world,
        "seed": p.seed,
        "embedder": m.embedder.get("name"),
        "embedder_digest": m.embedder.get("digest"),
        "embedder_width": m.embed_width,
        "settings": manifest.digest(m.settings.as_json()),
        "clips": clips.digests(m.learn),
    }


def voice_meta(m: Material) -> dict[str, Any]:
    """What a voice file tells of its making."""
    meta = {
        "dataset_length": m.info.get("total_dataset_duration", "00:00:00"),
        "author": load_settings().model_author or "None",
        "embedder_model": str(m.embedder["name"]),
        "embedder": m.embedder,
        "speakers_id": len({clip.speaker for clip in m.learn}),
        "median_f0_hz": median_hz(np.concatenate([np.load(clip.voiced) for clip in m.learn])),
    }
    return meta | ({"speakers": m.speakers} if m.speakers else {})
