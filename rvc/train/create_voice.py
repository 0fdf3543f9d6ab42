"""The verb create-voice: recordings in, voice out."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rvc import params
from rvc.progress import Report, silent

STAGES: tuple[tuple[str, str, type[params.Params]], ...] = (
    ("preprocess", "rvc.dataset.preprocess:run", params.Preprocess),
    ("extract", "rvc.dataset.extract:run", params.Extract),
    ("train", "rvc.train.train:run", params.Train),
)


def run(p: params.CreateVoice, report: Report = silent) -> dict[str, Any]:
    """Do the stages in order; the first that fails ends the run with its own error.

    Each stage keeps what it finds done with the same settings, so running it again goes on
    where it was stopped. Training ends by building the index.
    """
    values = p.model_dump()
    results: dict[str, dict[str, Any]] = {}
    for name, engine, kind in STAGES:
        module, function = engine.split(":")
        stage = kind(**{key: values[key] for key in kind.model_fields})
        results[name] = getattr(import_module(module), function)(stage, _named(name, report))
    out: dict[str, Any] = results["train"] | {"model_name": p.model_name, "stages": results}
    return out


def _named(stage: str, report: Report) -> Report:
    def say(done: float, total: float, note: str = "") -> None:
        report(done, total, f"{stage}: {note}" if note else stage)

    return say
