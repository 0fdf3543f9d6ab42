"""Refuses, within seconds, to train on what cannot become a voice; names the stage at fault.

Silence alone, a few words, features of other slices or another embedder: each of them would train
without complaint and teach nothing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rvc import Report
from rvc.dataset import manifest
from rvc.dataset.filelist import Clip
from rvc.errors import Cancelled, Mismatch, StageFailed, VoiceError
from rvc.params.train import DatasetReport

LEAST_SPEECH_S = 10.0
LISTEN_S = 2.5  # time spent on listening, at most
SPOT_CHECKS = 200  # clips whose features are measured against their sound
LOUD = 10 ** (-55 / 20)  # of a 50 ms piece with sound in it, RMS
PIECE_S = 0.05
MUTE = "mute"
REPORT = "eval/dataset"  # where the report on the data lies in an experiment

log = logging.getLogger(__name__)


def check(folder: Path, clips: Sequence[Clip], width: int) -> None:
    """Make sure that there is something to learn, and that it is what the stages say.

    Raises:
        StageFailed: no or too little real sound. Mismatch: features that do not belong.
    """
    real = [clip for clip in clips if not clip.name.startswith(MUTE)]
    if not real:
        raise StageFailed(
            "The file list holds only silent clips: extract gave nothing to learn from.",
            "Run extract again and look at what it reports.",
        )
    done = manifest.require(folder, "extract")
    _belongs(done, real, width)
    _lengths(real)
    _sound(real)


def _belongs(done: manifest.Stage, real: Sequence[Clip], width: int) -> None:
    """File list, features and the record of extract tell of the same slices and embedder."""
    known = {Path(name).name.removesuffix(".wav").removesuffix(".npy") for name in done.outputs}
    strange = [clip.name for clip in real if clip.name not in known]
    if strange:
        raise Mismatch(
            f"filelist.txt names {strange[0]} and {len(strange) - 1} other clips that extract "
            "knows nothing of.",
            "The file list is stale: run extract again.",
        )
    declared = done.fingerprint.get("width")
    if declared is not None and declared != width:
        raise Mismatch(
            f"The features are {width} wide, but extract recorded {declared} "
            f"({done.fingerprint.get('embedder')}).",
            "The features are not those of that embedder: run extract again.",
        )


def _lengths(real: Sequence[Clip]) -> None:
    """The features of a clip are as long as its sound."""
    some = random.Random(0).sample(list(real), min(SPOT_CHECKS, len(real)))
    for clip in some:
        info = soundfile.info(clip.wave)
        expected = (info.frames * 16000 // info.samplerate - 400) // 320 + 1
        got = _rows(clip.features)
        if abs(got - expected) > 2:
            raise Mismatch(
                f"{clip.features} has {got} frames where the sound has {expected}.",
                "The features are of another recording: run extract again.",
            )


def _rows(file: Path) -> int:
    shape: tuple[int, ...] = np.load(file, mmap_mode="r", allow_pickle=False).shape
    return shape[0]


def _sound(real: Sequence[Clip]) -> None:
    """At least LEAST_SPEECH_S of sound, found by listening until so much has been heard."""
    found, heard, started = 0.0, 0, time.monotonic()
    for clip in random.Random(1).sample(list(real), len(real)):
        found += _loud_s(clip.wave)
        heard += 1
        if found >= LEAST_SPEECH_S:
            return
        if time.monotonic() - started > LISTEN_S:
            break
    if heard < len(real) and found * len(real) / heard >= LEAST_SPEECH_S:
        return
    among = f"{heard} of {len(real)} clips listened to" if heard < len(real) else "all clips"
    if found == 0:
        raise StageFailed(
            f"There is only silence in {among}.", "Check the recordings, then preprocess again."
        )
    raise StageFailed(
        f"There are only {found:.1f} s of sound in {among}; at least {LEAST_SPEECH_S:.0f} s are "
        "needed.",
        "Add recordings (10 minutes make a good voice), then preprocess and extract again.",
    )


def _loud_s(file: Path) -> float:
    """Seconds of a WAV in which there is sound."""
    wave: Any
    wave, rate = soundfile.read(file, dtype="float32")
    size = max(1, int(PIECE_S * rate))
    pieces = wave[: len(wave) // size * size].reshape(-1, size)
    return float((np.sqrt(np.square(pieces).mean(1)) > LOUD).sum() * PIECE_S)


def judge_slices(folder: Path, report: Report) -> None:
    """Judge the slices before a training begins; what it finds is said and hinders nothing."""
    from rvc import workers

    slices = folder / "sliced_audios"
    asked = DatasetReport(folder=slices, output_folder=folder / REPORT, cpu_cores=1)
    try:  # what listens stays out of the hours of training
        found = workers.apart("rvc.dataset.report.report:run", asked, report)
    except Cancelled:
        raise
    except VoiceError as error:
        log.warning("The data could not be judged: %s", error.message)
        return
    log.info("%s (%s)", found["message"], found["report"])
