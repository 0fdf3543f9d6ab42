"""How much of its index suits a voice: converted with several rates, likeness against content.

An index draws the content towards what the speaker has said: it may sound more like them, and it
may cost words. Which is so depends on the voice, so it is measured at the end of a training, on a
recording of somebody else, and kept in the voice's file for conversions that do not say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, f0, silent
from rvc.audio import io
from rvc.audio.stream import resample
from rvc.config import KIT
from rvc.dataset.filelist import Clip
from rvc.errors import VoiceError
from rvc.infer.convert import convert
from rvc.infer.voice import Voice
from rvc.nets import voice_file
from rvc.params.train import Train
from rvc.train import material, reference

log = logging.getLogger(__name__)

RATES = (0.0, 0.3, 0.75)
MATTERS = 0.005  # less than this is no reason to mix anything in
LONGEST_S = 6.0
MOST_CLIPS = 6
RATE_HZ = 16000
FOREIGN = KIT / "demo" / "sample.flac"
Likeness = Callable[[np.ndarray], np.ndarray]


def judge() -> Likeness:
    """Raises MissingModel where no judge of likeness is installed."""
    from rvc.evaluate import judges

    return judges.Likeness()


def after(p: Train, folder: Path, voice: Path, index: str, report: Report) -> float | None:
    """`settle` for the voices of a training, its best one first."""
    best = folder / "best.pth"
    m = material.material(p, folder)
    voices = [best, voice] if best.is_file() else [voice]
    return settle(voices, Path(index), m.held or m.learn, p.gpu, report)


def settle(
    voices: Sequence[Path],
    index: Path,
    own: Sequence[Clip],
    gpu: str,
    report: Report = silent,
    make_likeness: Callable[[], Likeness] = judge,
) -> float | None:
    """Measure the best rate with the first of a training's voices, and write it into all of them.

    Returns:
        It, or None where it could not be measured; the log says why.
    """
    known = [voice_file.read_voice(file).meta.get("index_rate") for file in voices]
    if all(isinstance(rate, float) for rate in known):
        return float(known[0] or 0.0)
    try:
        found = measured(Voice(voices[0], index, gpu), own, make_likeness(), report)
    except VoiceError as error:
        log.info("The index rate is not measured: %s %s", error.message, error.hint)
        return None
    rate = chosen(found)
    for file in voices:
        voice = voice_file.read_voice(file)
        voice_file.write_voice(file, replace(voice, meta={**voice.meta, "index_rate": rate}))
    told = ", ".join(f"{r:g}: {like:.3f} / {lost:.3f}" for r, (like, lost) in found.items())
    log.info("Index rate %g suits the voice (likeness / content lost at %s).", rate, told)
    return rate


def measured(
    voice: Voice, own: Sequence[Clip], likeness: Likeness, report: Report = silent
) -> dict[float, tuple[float, float]]:
    """(likeness to the speaker's own clips, content lost) of every rate; see `content_lost`.

    Raises:
        VoiceError: no recording of somebody else, or it cannot be converted.
    """
    source = io.load(reference.find() or FOREIGN, RATE_HZ)[0][: int(LONGEST_S * RATE_HZ)]
    speaker = min(clip.speaker for clip in own)
    clips = [clip for clip in own if clip.speaker == speaker][:MOST_CLIPS]
    target = np.mean([likeness(io.load(clip.wave, RATE_HZ)[0]) for clip in clips], axis=0)
    target /= np.linalg.norm(target)
    said, found = embedded(voice, source), {}
    for number, rate in enumerate(RATES):
        report(number, len(RATES), "Measuring the index rate")
        wave = low(convert(voice, source, RATE_HZ, **options(voice, speaker, rate)))
        lost = content_lost(said, embedded(voice, wave))
        found[rate] = float(likeness(wave) @ target), lost
    return found


def options(voice: Voice, speaker: int, rate: float) -> dict[str, Any]:
    """Of a conversion that always comes out the same, at the speaker's own pitch."""
    method: f0.Method = "swift-f0"
    known = voice.median_f0_hz is not None
    return {
        "index_rate": rate,
        "f0_method": method,
        "sid": str(speaker),
        "proposed_pitch_auto": known,
        "seed": 0,
    }


def low(made: tuple[np.ndarray, int]) -> np.ndarray:
    """A conversion's result at 16 kHz."""
    return np.asarray(resample(made[0], made[1], RATE_HZ), np.float32)


def embedded(voice: Voice, wave_16k: np.ndarray) -> np.ndarray:
    """(T,) -> (F, W) content features of unit length, one per 20 ms."""
    rows = np.array(voice.embedder(wave_16k), np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(1e-9, length))


def content_lost(said: np.ndarray, heard: np.ndarray) -> float:
    """Mean cosine distance of two lists of features (F, W) of unit length: no text is needed."""
    count = min(len(said), len(heard))
    return float(1 - (said[:count] * heard[:count]).sum(axis=1).mean())


def chosen(found: Mapping[float, tuple[float, float]]) -> float:
    """The lowest rate that is about as good as the best, by likeness less content lost."""
    scores = {rate: like - lost for rate, (like, lost) in found.items()}
    return min(rate for rate, score in scores.items() if score >= max(scores.values()) - MATTERS)
