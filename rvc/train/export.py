"""What others can use of a training: G_ and D_ files and voices, in Applio's formats."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rvc.dataset import manifest
from rvc.errors import StorageFailed
from rvc.nets import checkpoint, voice_file
from rvc.nets.config import VoiceSettings
from rvc.params.train import Train
from rvc.train import preflight
from rvc.train.state import LATEST, State


def export(
    s: State, p: Train, folder: Path, settings: VoiceSettings, meta: Mapping[str, Any]
) -> list[str]:
    """Write the G_ and D_ files and the voice of the epoch just completed; returns their names.

    Raises:
        StorageFailed: the disk is full. StageFailed: a weight is not finite.
    """
    done = s.epoch - 1
    number = LATEST if p.save_only_latest else s.step
    names = [f"G_{number}.pth", f"D_{number}.pth"]
    pairs = zip(names, ((s.g, s.optim_g), (s.d, s.optim_d)), strict=True)
    try:
        for name, (net, optim) in pairs:
            checkpoint.write_checkpoint(
                folder / name,
                net,
                done,
                settings.learning_rate,
                optim.state_dict(),
                s.scaler.state_dict(),
            )
        if p.save_every_weights or done >= p.total_epoch:
            name = f"{p.model_name}_{done}e_{s.step}s.pth"
            write_voice(s, folder / name, p, settings, meta)
            names.append(name)
    except RuntimeError as error:  # torch's writer does not say OSError
        if not any(part in str(error) for part in ("PytorchStreamWriter", "inline_container")):
            raise
        raise OSError(errno.ENOSPC, "could not be written", str(folder)) from error
    if p.save_only_latest:
        _remove_others(folder, names)
    return names


def write_voice(
    s: State, file: Path, p: Train, settings: VoiceSettings, meta: Mapping[str, Any]
) -> None:
    """Write the small voice file that converts."""
    said = dict(meta) | {"model_name": p.model_name, "epoch": s.epoch - 1, "step": s.step}
    voice = voice_file.voice_of(s.g.state_dict(), settings, p.vocoder, said, file.name)
    voice_file.write_voice(file, voice)


def _remove_others(folder: Path, names: list[str]) -> None:
    for kind in "GD":
        for file in folder.glob(f"{kind}_*.pth"):
            if file.name not in names:
                file.unlink()


def missing(s: State, p: Train, folder: Path) -> bool:
    """Whether the last completed epoch's voice, which belongs there, is not."""
    done = s.epoch - 1
    return (
        done >= p.total_epoch and not (folder / f"{p.model_name}_{done}e_{s.step}s.pth").is_file()
    )


def clean(folder: Path, name: str) -> list[str]:
    """Delete every result of an earlier training of this voice, its data not; returns names.

    The report on the data stays: it is not the training's.
    """
    patterns = ["G_*.pth", "D_*.pth", f"{name}_*e_*s.pth", "best.pth", f"{name}.index"]
    patterns += ["added*.index", "metrics.jsonl", "training.html", "training.png", "state*.pt*"]
    found = [file for pattern in patterns for file in folder.glob(pattern)]
    found += [file for file in (folder / "eval").glob("**/*") if file.is_file()]
    found = [file for file in found if not file.is_relative_to(folder / preflight.REPORT)]
    try:
        for file in found:
            file.unlink()
    except PermissionError as error:
        raise StorageFailed(
            f"{error.filename} cannot be deleted.", "Close what uses it."
        ) from error
    manifest.forget(folder, "train")
    return [file.name for file in found]
