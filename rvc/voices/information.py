"""The verb `model-information`: what a voice, checkpoint or index holds, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rvc import Report, params, silent
from rvc.errors import BadInput
from rvc.hub import safe, sha256
from rvc.nets.voice_file import VoiceFile, public_names, voice_from
from rvc.onnx import voice
from rvc.retrieval import reader

Facts = dict[str, Any]
PROVENANCE = (
    ("author", "Author"),
    ("creation_date", "Made"),
    ("dataset_length", "Data set"),
    ("model_hash", "Recorded hash"),
    ("info", "Note"),
    ("blended_from", "Blended from"),
    ("imported_from", "Imported from"),
)


def run(p: params.ModelInformation, report: Report = silent) -> Facts:
    """Describe a file; nothing in it is run.

    Raises:
        BadInput: missing, damaged, hostile or no model. Mismatch: an unknown architecture.
    """
    report(0, 1, "Reading")
    facts = describe(p.pth_path)
    report(1, 1, "Reading")
    lines = [f"{label:<14} {_text(facts[key])}" for key, label in _rows(facts)]
    return {"message": "\n".join(lines), **facts}


def describe(path: Path) -> Facts:
    """Facts of a voice in any of its formats, a G_/D_ checkpoint or an index; JSON-ready."""
    if path.suffix.lower() == ".index":
        return _of_file(path, _index(path))
    if path.suffix.lower() == ".onnx":
        facts = voice_facts(voice.read_voice(path)) | {"kind": "voice (ONNX)"}
        return _of_file(path, facts)
    raw = safe.load(path)
    if isinstance(raw, Mapping) and "weight" not in raw and "model" in raw:
        facts = _checkpoint(raw, path)
    else:
        facts = voice_facts(voice_from(raw, str(path)))
    return _of_file(path, facts)


def _index(path: Path) -> Facts:
    table = reader.read(path)
    rows, width = table.vectors.shape
    return {"kind": "index", "rows": rows, "width": width, "cells": len(table.centres)}


def _of_file(path: Path, facts: Facts) -> Facts:
    return {"file": str(path), **facts, "bytes": path.stat().st_size, "sha256": sha256(path)}


def voice_facts(voice: VoiceFile) -> Facts:
    """What people want to know of a voice before they use it."""
    said = voice.meta
    return {
        "kind": "voice",
        "model_name": said.get("model_name") or "",
        "sample_rate": voice.sample_rate,
        "version": voice.version,
        "vocoder": voice.vocoder,
        "f0": voice.use_f0,
        "speakers": voice.n_speakers,
        "embedder": voice.embedder,
        "epoch": said.get("epoch"),
        "step": said.get("step"),
        "parameters": sum(v.numel() for v in voice.weights.values()) or None,
        **{key: said[key] for key, _ in PROVENANCE if said.get(key) not in (None, "", "None")},
    }


def _checkpoint(raw: Mapping[str, Any], path: Path) -> Facts:
    weights = public_names(safe.check_tensors(raw["model"], str(path)))
    generator = "emb_g.weight" in weights
    discriminator = "discriminators.0.conv_post.bias" in weights
    if not (generator or discriminator):
        raise BadInput(f"{path} is a checkpoint of something else.", "Choose a G_ or D_ file.")
    return {
        "kind": "generator checkpoint" if generator else "discriminator checkpoint",
        "epoch": raw.get("iteration"),
        "can_resume": bool(raw.get("optimizer")),
        "parameters": sum(v.numel() for v in weights.values()),
        **({"speakers": len(weights["emb_g.weight"])} if generator else {}),
    }


def _rows(facts: Facts) -> list[tuple[str, str]]:
    labels = [
        ("file", "File"),
        ("kind", "Kind"),
        ("model_name", "Name"),
        ("sample_rate", "Sample rate"),
        ("version", "Version"),
        ("vocoder", "Vocoder"),
        ("f0", "Pitch"),
        ("speakers", "Speakers"),
        ("embedder", "Embedder"),
        ("epoch", "Epoch"),
        ("step", "Step"),
        ("can_resume", "Can resume"),
        ("parameters", "Parameters"),
        ("rows", "Rows"),
        ("width", "Width"),
        ("cells", "Cells"),
        *PROVENANCE,
        ("bytes", "Bytes"),
        ("sha256", "SHA-256"),
    ]
    return [(key, label) for key, label in labels if facts.get(key) is not None]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(_text(v) for v in value)
    return f"{value:,}" if isinstance(value, int) and value > 99_999 else str(value)
