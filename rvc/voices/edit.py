"""Verbs that make one voice file from another: extract from a checkpoint, edit, convert."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rvc import Report, config, params, silent
from rvc.dataset import experiment, manifest
from rvc.errors import BadInput
from rvc.nets import config as configs
from rvc.nets.checkpoint import read_checkpoint
from rvc.nets.config import VoiceSettings
from rvc.nets.voice_file import TRACES, Weights, read_voice, voice_from, voice_of, write_voice
from rvc.voices import replacing

Result = dict[str, Any]
KINDS = (".pth", ".safetensors")


def extract(p: params.ModelExtract, report: Report = silent) -> Result:
    """Write a small voice from a G_ checkpoint.

    Raises:
        BadInput: no generator checkpoint, or its settings are unknown.
        Mismatch: its weights do not fit these settings. StageFailed: training had diverged.
    """
    target = p.output_path or config.experiment(p.model_name) / f"{p.model_name.strip()}.pth"
    _check_kind(target)
    p.refuse_existing(target)
    report(0, 2, "Reading the checkpoint")
    checkpoint = read_checkpoint(p.pth_path)
    if "emb_g.weight" not in checkpoint.model:
        raise BadInput(f"{p.pth_path} is no generator checkpoint.", "Choose a G_ file.")
    info = _beside(p.pth_path, "model_info.json")
    meta = {
        "model_name": p.model_name,
        "author": p.author or config.load_settings().model_author,
        "epoch": checkpoint.iteration,
        "step": p.step or _step_of(p.pth_path),
        "dataset_length": info.get("total_dataset_duration"),
        "embedder_model": info.get("embedder_model") or "contentvec",
        **_embedder_of(p.pth_path.parent),
        **({"speakers": info["speakers"]} if info.get("speakers") else {}),
    }
    found = _settings(p, checkpoint.model)
    vocoder = _vocoder(checkpoint.model)
    voice = voice_of(checkpoint.model, found, vocoder, meta, str(p.pth_path))
    content = {"weight": voice.weights, "config": found.as_list(voice.n_speakers), **voice.meta}
    voice = voice_from(content, str(p.pth_path))  # proves that the settings fit the weights
    target.parent.mkdir(parents=True, exist_ok=True)
    old = None if target.parent == p.pth_path.parent else replacing.index_of(target)
    write_voice(target, voice)
    gone = replacing.drop_index(old)
    report(2, 2, "Written")
    made = f"Made {target} from epoch {checkpoint.iteration} of {p.pth_path.name}.{gone}"
    return _done(target, made.removesuffix("."))


def edit(p: params.ModelEdit, report: Report = silent) -> Result:
    """Change author or name in place, or in a copy."""
    changes = {
        k: v for k, v in (("author", p.author), ("model_name", p.model_name)) if v is not None
    }
    if not changes:
        raise BadInput("Nothing to change was given.", "Give --author or --model-name.")
    target = p.output_path or p.implied_outputs()["output_path"]
    _check_kind(target)
    if target.resolve() != p.pth_path.resolve():
        p.refuse_existing(target)
    voice = read_voice(p.pth_path)
    report(1, 2, "Writing")
    write_voice(target, replace(voice, meta=voice.meta | changes))
    report(2, 2, "Writing")
    said = ", ".join(f"{k.replace('_', ' ')} {v!r}" for k, v in changes.items())
    return _done(target, f"{target} now says {said}")


def convert(p: params.ModelConvert, report: Report = silent) -> Result:
    """Write the same voice in the other file format."""
    target = p.output_path or p.implied_outputs()["output_path"]
    _check_kind(target)
    p.refuse_existing(target)
    voice = read_voice(p.pth_path)
    report(1, 2, "Writing")
    write_voice(target, voice)
    report(2, 2, "Writing")
    return _done(target, f"Wrote {target}")


def _done(target: Path, sentence: str) -> Result:
    return {"message": f"{sentence}.", "file": str(target), "bytes": target.stat().st_size}


def _check_kind(target: Path) -> None:
    if target.suffix not in KINDS:
        raise BadInput(f"{target} has no known ending.", "Use .pth or .safetensors.")


def _vocoder(weights: Weights) -> str:
    traced = (v for prefix, v in TRACES if any(k.startswith(prefix) for k in weights))
    return next(traced, "HiFi-GAN")


def _settings(p: params.ModelExtract, weights: Weights) -> VoiceSettings:
    version = "v1" if weights["enc_p.emb_phone.weight"].shape[1] == 256 else "v2"
    if p.sample_rate:
        return configs.load(p.sample_rate, _vocoder(weights), version)
    beside = p.pth_path.parent / "config.json"
    if not beside.is_file():
        raise BadInput(
            f"There is no config.json beside {p.pth_path}, so its rate is unknown.",
            "Give --sample-rate.",
        )
    rate = configs.read(beside).sample_rate
    return experiment.settings(p.pth_path.parent, rate, _vocoder(weights))


def _beside(path: Path, name: str) -> dict[str, Any]:
    """A JSON dictionary in the folder of a file; empty where there is none."""
    try:
        found = json.loads((path.parent / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _embedder_of(folder: Path) -> dict[str, Any]:
    """Which embedder, layer and normalisation the features here were made with, if recorded."""
    made = manifest.stage(folder, "extract")
    if made is None:
        return {}
    embedder = {key: made.fingerprint.get(known) for key, known in manifest.EMBEDDER.items()}
    return {"embedder": embedder, "embedder_model": str(embedder["name"])}


def _step_of(path: Path) -> int:
    digits = path.stem.removeprefix("G_")
    return int(digits) if digits.isdigit() and digits != "2333333" else 0
