"""The clips a voice is trained on, and all that is known of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rvc.config import load_settings
from rvc.dataset import experiment, filelist, manifest
from rvc.dataset.filelist import Clip
from rvc.errors import StageFailed
from rvc.f0.contour import median_hz
from rvc.nets.config import VoiceSettings
from rvc.params import Train
from rvc.train import holdout, preflight
from rvc.train.dataset import MAX_FRAMES

log = logging.getLogger(__name__)

LEAST_FRAMES = 5


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
    """Read the experiment; reports every clip that will not be used as it is.

    Raises:
        VoiceError: there is nothing to learn from, or it does not fit the parameters.
    """
    manifest.check(filelist.extracted(folder), {"sample_rate": p.sample_rate})
    chosen = experiment.settings(folder, p.sample_rate, p.vocoder)
    listed = filelist.read_filelist(folder, chosen.hop_length, p.sample_rate)
    preflight.check(folder, listed, filelist.width(listed))
    usable = [clip for clip in listed if clip.frames >= LEAST_FRAMES]
    learn, held, gap = holdout.split(usable, p.holdout)
    _log_selection(listed, usable, held, gap, chosen.segment_frames)
    if not learn:
        raise StageFailed(f"{folder} has no clip long enough to learn from.", "Add recordings.")
    embedder, speakers, info = _known(folder)
    width = filelist.width(usable)
    return Material(learn, held, chosen, width, embedder | {"width": width}, speakers, info)


def _log_selection(
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
    info = experiment.info(folder)
    made = manifest.require(folder, "extract").fingerprint
    embedder = {key: made.get(known) for key, known in manifest.EMBEDDER.items()}
    speakers = info.get("speakers") or {}
    return embedder, {str(k): str(v) for k, v in speakers.items()}, info


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
