"""An experiment of Applio that has no manifest: what lies in it is judged and written down.

The recordings it was made from may be gone for long. Slices, pitch and features are enough to go
on; they only have to be what the stages here would have left.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rvc.config import command
from rvc.dataset import experiment, filelist, manifest, slice_features
from rvc.dataset.manifest import Stage
from rvc.dataset.slice_set import SLICE
from rvc.dataset.slices import FOLDERS
from rvc.errors import StageFailed

log = logging.getLogger(__name__)

OTHER = "0_gt_wavs"  # where RVC keeps its slices
USUAL_EMBEDDER, USUAL_WIDTH = "contentvec", 768


def adopt(folder: Path) -> None:
    """Give an experiment without a manifest one, where its slices are there; else change nothing.

    Raises:
        StageFailed: more than 5 % of the slices cannot be used, or it is a folder of RVC.
    """
    if (folder / manifest.FILE).exists():
        return
    names = sorted(f.stem for f in (folder / FOLDERS[0]).glob("*.wav") if SLICE.match(f.name))
    if not names:
        _name_the_way(folder)
        return
    slices = _judged_slices(folder, names)
    extracted = _judged_features(folder, slices)
    manifest.record(folder, slices)
    rate = slices.fingerprint["sample_rate"]
    experiment.write_config(folder, rate)
    if extracted is not None:
        filelist.write_filelist(folder, extracted.outputs, rate, include_mutes=0)
        manifest.record(folder, extracted)
    said = "slices, pitch and features" if extracted else "slices"
    log.warning(
        "%s was made by another program: its %d %s are used as they are.",
        folder.name,
        len(slices.outputs),
        said,
    )


def _name_the_way(folder: Path) -> None:
    if (folder / OTHER).is_dir():
        raise StageFailed(
            f"{folder.name} is an experiment of RVC, whose features have another form.",
            f"Its slices are recordings too: `{command('preprocess')} --model-name {folder.name} "
            f"--dataset-path {folder / OTHER} --cut-preprocess Skip`, then extract and train.",
        )


def _judged_slices(folder: Path, names: Sequence[str]) -> Stage:
    """What preprocess would have recorded of these slices."""
    done = Stage("preprocess", inputs=len(names))
    rates: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for name in names:
        try:
            info = soundfile.info(folder / FOLDERS[0] / f"{name}.wav")
            rates[name], seconds[name] = info.samplerate, info.frames / info.samplerate
        except (OSError, soundfile.SoundFileError) as error:
            done.fail(f"{name}.wav", error)
    rate = Counter(rates.values()).most_common(1)[0][0] if rates else 0
    for name in names:
        if rates.get(name, rate) != rate:
            done.fail(f"{name}.wav", f"it has {rates[name]} Hz, most have {rate} Hz.")
        elif name in rates:
            done.outputs.append(f"{name}.wav")
    manifest.judge(done)
    total = sum(seconds[name.removesuffix(".wav")] for name in done.outputs)
    done.fingerprint = {
        "sample_rate": rate,
        "slicer": "another program's",
        "data": manifest.digest([[name, round(seconds.get(name, 0.0), 4)] for name in names]),
    }
    done.details = {
        "sources": {},
        "left_out": {},
        "speakers": _speakers(folder, names),
        "total_seconds": round(total, 3),
    }
    return done


def _speakers(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Names by number: those of model_info.json, else the numbers."""
    said = experiment.info(folder).get("speakers")
    known = {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}
    numbers = sorted({filelist.speaker(name) for name in names})
    return {str(n): known.get(str(n), str(n)) for n in numbers}


def _judged_features(folder: Path, slices: Stage) -> Stage | None:
    """What extract would have recorded; None where it has to be done (again)."""
    names = [name.removesuffix(".wav") for name in slices.outputs]
    done = Stage("extract", inputs=len(names))
    widths: dict[str, int] = {}
    for name in names:
        if all(map(slice_features.intact, slice_features.paths(folder, name))):
            widths[name] = _width(folder, name)
    width = Counter(widths.values()).most_common(1)[0][0] if widths else 0
    for name in names:
        if width and widths.get(name) == width:
            done.outputs.append(name)
        else:
            done.fail(f"{name}.wav", "its pitch or features are missing or of another slice.")
    embedder = experiment.info(folder).get("embedder_model")
    if not embedder and width == USUAL_WIDTH:
        embedder = USUAL_EMBEDDER
    if not embedder or len(done.failures) > manifest.FAILURE_LIMIT * len(names):
        log.warning("%s: pitch and features have to be extracted anew.", folder.name)
        return None
    done.fingerprint = _fingerprint(str(embedder), width, slices)
    rows = max(map(filelist.speaker, done.outputs)) + 1
    done.details = {"speakers": rows, "redone": 0}
    return done


def _width(folder: Path, name: str) -> int:
    """Width of a slice's features; 0 where they are not as long as its sound."""
    features = np.load(slice_features.paths(folder, name)[0], mmap_mode="r", allow_pickle=False)
    info = soundfile.info(folder / FOLDERS[0] / f"{name}.wav")
    expected = (info.frames * 16000 // info.samplerate - 400) // 320 + 1
    fits = features.ndim == 2 and abs(len(features) - expected) <= 2
    return int(features.shape[1]) if fits else 0


def _fingerprint(embedder: str, width: int, slices: Stage) -> dict[str, Any]:
    return {
        "embedder": embedder,
        "embedder_digest": "",
        "width": width,
        "layer": None,
        "normalize": None,
        "sample_rate": slices.fingerprint["sample_rate"],
        "f0_method": "another program's",
        "include_mutes": 0,
        "preprocess": manifest.digest(slices.fingerprint),
        "slices": slices.fingerprint["data"],
    }
