"""The clips a voice is trained on, those kept to judge it by, and all that is known of them."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
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
from rvc.params.train import Train
from rvc.train import preflight
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
    manifest.check(manifest.extracted(folder), {"sample_rate": p.sample_rate})
    chosen = experiment.settings(folder, p.sample_rate, p.vocoder)
    listed = filelist.read_filelist(folder, chosen.hop_length, p.sample_rate)
    preflight.check(folder, listed, filelist.width(listed))
    usable = [clip for clip in listed if clip.frames >= LEAST_FRAMES]
    learn, held, gap = split(usable, p.holdout)
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
        "trained_speakers": sorted({clip.speaker for clip in m.learn}),
        "median_f0_hz": median_hz(np.concatenate([np.load(clip.voiced) for clip in m.learn])),
    }
    return meta | ({"speakers": m.speakers} if m.speakers else {})


SLICE = re.compile(r"^\d+_(\d+)_(\d+)$")
LEAST_CLIPS = 20  # a speaker with fewer keeps them all for training
FRAMES_PER_S = 100


def split(clips: Sequence[Clip], share: float) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Divide clips into (training, held out, gap).

    Slices of one recording overlap, so per speaker whole recordings are held out where that
    comes near `share` of the speaker's time; otherwise the last slices of the longest recording,
    and the slice before them is a gap that is used for neither. Silent clips always train.
    """
    held: list[Clip] = []
    gap: list[Clip] = []
    by_speaker: dict[int, list[Clip]] = defaultdict(list)
    for clip in clips:
        if SLICE.match(clip.name):
            by_speaker[clip.speaker].append(clip)
    for own in by_speaker.values():
        if share > 0 and len(own) >= LEAST_CLIPS:
            chosen, between = _choose(own, share)
            held += chosen
            gap += between
    kept = {clip.name for clip in held + gap}
    return [clip for clip in clips if clip.name not in kept], held, gap


def _choose(own: list[Clip], share: float) -> tuple[list[Clip], list[Clip]]:
    wanted = share * sum(clip.frames for clip in own)
    recordings: dict[int, list[Clip]] = defaultdict(list)
    for clip in own:
        recordings[_place(clip)[0]].append(clip)
    chosen: list[Clip] = []
    stride = max(1, round(1 / share))
    for number in sorted(recordings, key=lambda n: (n % stride != stride // 2, n)):
        slices = recordings[number]
        filled = sum(clip.frames for clip in chosen)
        if filled < wanted and filled + sum(c.frames for c in slices) <= 1.5 * wanted:
            chosen += slices
    if sum(clip.frames for clip in chosen) >= wanted / 2:
        return chosen, []
    longest = max(recordings.values(), key=lambda slices: sum(clip.frames for clip in slices))
    slices = sorted(longest, key=_place)
    tail: list[Clip] = []
    while len(slices) > 2 and sum(clip.frames for clip in tail) < wanted:
        tail.append(slices.pop())
    return tail, [slices.pop()] if tail else []


def _place(clip: Clip) -> tuple[int, int]:
    found = SLICE.match(clip.name)
    assert found  # only slices are chosen from
    return int(found[1]), int(found[2])


def minutes(clips: Sequence[Clip]) -> float:
    """Length of all clips."""
    return sum(clip.frames for clip in clips) / FRAMES_PER_S / 60
