"""How far a voice in the making is: its stages, curves, findings, samples and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rvc.config import experiment, paths
from rvc.dataset import manifest

POINTS = 400
LOSSES = ("mel", "kl", "fm", "adv", "d")
MAX_METRICS_BYTES = 8 << 20


def progress(name: str) -> dict[str, Any]:
    """Everything the training page shows about `logs/<name>`, JSON-ready.

    Raises:
        BadInput: the name cannot be used, or the manifest is damaged.
    """
    folder = experiment(name)
    records = [_stage(s) for s in manifest.read(folder).values()]
    metrics = list(_lines(folder / "metrics.jsonl"))
    return {
        "name": name,
        "exists": folder.is_dir(),
        "resumable": (folder / "state.pt").is_file(),
        "stages": records,
        "curves": _curves(metrics),
        "findings": [m for m in metrics if m.get("kind") == "finding"][-8:],
        "samples": _newest(folder, "*.wav", "samples", "eval"),
        "files": [
            str(f) for kind in ("*.pth", "*.index", "*.onnx") for f in _results(folder, kind)
        ],
    }


def names() -> list[str]:
    """The voices in the making, newest first."""
    root = paths().logs
    found = [f for f in root.iterdir() if f.is_dir()] if root.is_dir() else []
    hidden = ("zips", "reference")
    kept = [f for f in found if not f.name.startswith((".", "mute", *hidden))]
    return [f.name for f in sorted(kept, key=lambda f: -f.stat().st_mtime)]


def _stage(done: manifest.Stage) -> dict[str, Any]:
    return {
        "name": done.name,
        "inputs": done.inputs,
        "outputs": len(done.outputs),
        "failures": [{"file": f.file, "cause": f.cause} for f in done.failures[:50]],
        "failed": len(done.failures),
        "warnings": done.warnings[:50],
        "details": {k: v for k, v in done.details.items() if isinstance(v, (int, float, str))},
        "seconds": done.seconds,
        "finished": done.finished,
    }


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON-lines file; a half-written last line is left out."""
    if not file.is_file():
        return
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - MAX_METRICS_BYTES))
        for line in stream:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value


def _curves(metrics: list[dict[str, Any]]) -> dict[str, list[list[float]]]:
    """name -> [[step, value], …] of what is noted more often, thinned to what a screen can show."""
    kinds = [[m for m in metrics if m.get("kind") == kind] for kind in ("steps", "epoch")]
    curves: dict[str, list[list[float]]] = {}
    for record in max(kinds, key=len):
        for key, value in record.items():
            if (key in LOSSES or "norm" in key) and isinstance(value, (int, float)):
                curves.setdefault(key, []).append([record["step"], value])
    return {key: points[:: max(1, len(points) // POINTS)] for key, points in curves.items()}


def _results(folder: Path, pattern: str) -> list[Path]:
    found = [f for f in folder.glob(pattern) if not f.name.startswith(("G_", "D_"))]
    return sorted(found, key=lambda f: -f.stat().st_mtime)


def _newest(folder: Path, pattern: str, *inside: str) -> list[str]:
    found = [f for sub in inside for f in (folder / sub).rglob(pattern)]
    return [str(f) for f in sorted(found, key=lambda f: -f.stat().st_mtime)[:6]]
