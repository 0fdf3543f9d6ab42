"""How far a voice in the making is: its stages, curves, findings, samples and files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rvc.config import experiment, paths
from rvc.dataset import manifest
from rvc.voices.heads import facts

POINTS = 400
LOSSES = ("mel", "kl", "fm", "adv", "d")
MAX_METRICS_BYTES = 8 << 20
SAVE = re.compile(r"(\d+)e")  # the folder of what one save was heard to make
UNSEEN = "unseen"  # the rendering of what the voice's own recordings do not hold


def progress(name: str) -> dict[str, Any]:
    """Everything the training page shows about `logs/<name>`, JSON-ready.

    Raises:
        BadInput: the name cannot be used, or the manifest is damaged.
    """
    folder = experiment(name)
    stages = manifest.read(folder)
    records = [_stage(s) for s in stages.values()]
    sources = stages["preprocess"].details.get("sources", {}) if "preprocess" in stages else {}
    metrics = list(_lines(folder / "metrics.jsonl"))
    return {
        "name": name,
        "exists": folder.is_dir(),
        "resumable": (folder / "state.pt").is_file(),
        "stages": records,
        "curves": _curves(metrics),
        "best": _best(folder / "best.pth", metrics),
        "findings": [m for m in metrics if m.get("kind") == "finding"][-8:],
        "samples": [_sample(file, sources) for file in _newest(folder, "samples", "eval")],
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


def _best(voice: Path, metrics: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Which save was kept as the best so far, as its file says, and how it scored."""
    said = facts(voice) if voice.is_file() else {}
    if not isinstance(said.get("step"), int):
        return None
    own = [m for m in metrics if m.get("kind") == "validation" and m.get("step") == said["step"]]
    score = own[-1].get("score") if own else None
    return {"epoch": said.get("epoch"), "step": said["step"], "score": score}


def _results(folder: Path, pattern: str) -> list[Path]:
    found = [f for f in folder.glob(pattern) if not f.name.startswith(("G_", "D_"))]
    return sorted(found, key=lambda f: -f.stat().st_mtime)


def _newest(folder: Path, *inside: str) -> list[Path]:
    found = [f for sub in inside for f in (folder / sub).rglob("*.wav")]
    return sorted(found, key=lambda f: -f.stat().st_mtime)[:6]


def _sample(file: Path, sources: dict[str, Any]) -> dict[str, Any]:
    """What a rendering of the training is of.

    Returns:
        "path"; "epoch", where its folder says so; "number" among those rendered with it; "unseen",
        whether it is of somebody else; and, where known, the name of the "recording" of which it
        renders the slice "part" of "parts".
    """
    beside = sorted(f.stem for f in file.parent.glob("*.wav") if f.stem != UNSEEN)
    number = beside.index(file.stem) + 1 if file.stem in beside else 0
    epoch = SAVE.fullmatch(file.parent.name)
    said = {"path": str(file), "number": number, "unseen": file.stem == UNSEEN}
    said["epoch"] = int(epoch[1]) if epoch else None
    for key, entry in sources.items():
        slices = sorted((Path(each).stem for each in entry["slices"]), key=lambda s: (len(s), s))
        if file.stem in slices:
            place = {"part": slices.index(file.stem) + 1, "parts": len(slices)}
            return said | place | {"recording": Path(key).stem}
    return said
