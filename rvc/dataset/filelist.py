"""What training reads besides the data: file list, model info, configuration, silent clips."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rvc import config
from rvc.dataset import manifest, slice_features
from rvc.errors import BadInput, Mismatch, StageFailed

MUTE_S = 3.0


def speaker(name: str) -> int:
    """Speaker id of a slice called `<speaker>_<file>_<slice>`.

    Raises:
        BadInput: another kind of name.
    """
    head = name.split("_", 1)[0]
    if not head.isdigit():
        raise BadInput(
            f"The slice {name} does not start with a speaker number.", "Preprocess again."
        )
    return int(head)


def extracted(folder: Path) -> manifest.Stage:
    """The record of the extract stage, which must belong to the slices that are there now.

    Raises:
        StageFailed: extract has not been done.
        Mismatch: the recordings were preprocessed anew since.
    """
    done, slices = manifest.require(folder, "extract"), manifest.stage(folder, "preprocess")
    made_of = done.fingerprint.get("preprocess")
    if slices and made_of and made_of != manifest.digest(slices.fingerprint):
        raise Mismatch(
            f"{folder.name}: the recordings were preprocessed anew after the last extract.",
            "Run extract again; it redoes only what changed.",
        )
    return done


def mutes(
    folder: Path, rate: int, embed: Callable[[Sequence[np.ndarray]], list[np.ndarray]], exact: bool
) -> None:
    """Make the silent clip of an experiment, with the features its own embedder gives for silence.

    It lies in `<experiment>/mute`, in folders like those of the slices.

    Raises:
        StageFailed: the embedder cannot cope with silence.
    """
    silence = np.zeros(int(MUTE_S * 16000), np.float32)
    features = embed([silence])[0]
    if not features.size or not np.isfinite(features).all():
        raise StageFailed("The embedder gives no numbers for silence.", "Use another embedder.")
    home = folder / "mute"
    for name in ("sliced_audios", "sliced_audios_16k", *slice_features.FOLDERS):
        (home / name).mkdir(parents=True, exist_ok=True)
    frames = len(silence) // 160 + 1
    slice_features.save(home / "extracted" / "mute.npy", features.astype(np.float32))
    slice_features.save(home / "f0" / "mute.wav.npy", np.ones(frames, np.int64))
    voiced = np.zeros(frames, np.float64 if exact else np.float32)
    slice_features.save(home / "f0_voiced" / "mute.wav.npy", voiced)
    for file, hz in (
        (f"sliced_audios/mute{rate}.wav", rate),
        ("sliced_audios_16k/mute.wav", 16000),
    ):
        part = home / f".{os.getpid()}.part"
        soundfile.write(part, np.zeros(int(MUTE_S * hz), np.float32), hz, "PCM_16", format="WAV")
        part.replace(home / file)


def lines(folder: Path, names: Sequence[str], rate: int, include_mutes: int) -> list[str]:
    """The lines of filelist.txt: wav|features|coarse|voiced|speaker, in a fixed shuffled order.

    Paths are relative to the installation, with forward slashes.
    """
    home = _relative(folder)
    out = [
        f"{home}/sliced_audios/{n}.wav|{home}/extracted/{n}.npy|{home}/f0/{n}.wav.npy|"
        f"{home}/f0_voiced/{n}.wav.npy|{speaker(n)}"
        for n in names
    ]
    silent = (
        f"{home}/mute/sliced_audios/mute{rate}.wav|{home}/mute/extracted/mute.npy|"
        f"{home}/mute/f0/mute.wav.npy|{home}/mute/f0_voiced/mute.wav.npy|"
    )
    for number in sorted({speaker(n) for n in names}):
        out += [f"{silent}{number}"] * include_mutes
    random.Random(0).shuffle(out)
    return out


def _relative(folder: Path) -> str:
    root = config.paths().root.resolve()
    folder = folder.resolve()
    return (folder.relative_to(root) if folder.is_relative_to(root) else folder).as_posix()


def write_filelist(folder: Path, names: Sequence[str], rate: int, include_mutes: int) -> None:
    """Write filelist.txt atomically, without a newline at its end."""
    text = "\n".join(lines(folder, names, rate, include_mutes))
    manifest.write_text(folder / "filelist.txt", text)


def write_info(
    folder: Path, embedder: str, names: Sequence[str], named: Mapping[str, Any] | None = None
) -> int:
    """Complete model_info.json; returns how many rows the speaker table needs (highest id + 1)."""
    file = folder / "model_info.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        info = {}
    rows = max(speaker(n) for n in names) + 1
    info |= {"embedder_model": embedder, "speakers_id": rows}
    if named:
        info["speakers"] = dict(named)
    manifest.write_text(file, json.dumps(info, ensure_ascii=False, indent=4))
    return rows


def template(rate: int) -> Path:
    """The training configuration of a sample rate.

    Raises:
        BadInput: there is none for this rate.
    """
    file = config.REPOSITORY / "rvc" / "configs" / f"{rate}.json"
    if not file.is_file():
        raise BadInput(f"There is no configuration for {rate} Hz.", "Use 32000, 40000 or 48000.")
    return file


def write_config(folder: Path, rate: int) -> None:
    """Put config.json in place; one made by hand for this rate is kept, another rate's is not."""
    file = folder / "config.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))["data"]["sample_rate"] == rate
    except (OSError, ValueError, KeyError, TypeError):
        kept = False
    if not kept:
        part = file.with_name(".config.json.part")
        shutil.copyfile(template(rate), part)
        part.replace(file)
