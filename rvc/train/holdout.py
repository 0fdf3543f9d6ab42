"""Which clips are kept from training, to hear later what the voice has not seen."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from rvc.dataset.filelist import Clip

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
