"""The verb create-voice: recordings in, voice out; every stage with its own manifest as ever."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rvc import params
from rvc.config import experiment
from rvc.progress import Report, silent
from rvc.train import manifest

STAGES: tuple[tuple[str, str, type[params.Params]], ...] = (
    ("preprocess", "rvc.train.preprocess:run", params.Preprocess),
    ("extract", "rvc.train.extract:run", params.Extract),
    ("train", "rvc.train.launch:run", params.Train),
    ("index", "rvc.train.index:run", params.Index),
)
KEPT = ("preprocess", "extract")  # stages that can stand; training resumes by itself


def run(p: params.CreateVoice, report: Report = silent) -> dict[str, Any]:
    """Do the four stages in order; the first that fails ends the run with its own error."""
    values = p.model_dump()
    results: dict[str, Any] = {}
    for name, engine, kind in STAGES:
        if p.keep_stages and name in KEPT and manifest.stage(experiment(p.model_name), name):
            results[name] = {"message": f"{name}: kept as it was."}
            continue
        module, function = engine.split(":")
        stage = kind(**{key: values[key] for key in kind.model_fields})
        results[name] = getattr(import_module(module), function)(stage, _named(name, report))
    message = " ".join(results[name]["message"] for name in ("train", "index"))
    return {"message": message, "model_name": p.model_name, "stages": results}


def _named(stage: str, report: Report) -> Report:
    def say(done: float, total: float, note: str = "") -> None:
        report(done, total, f"{stage}: {note}" if note else stage)

    return say
