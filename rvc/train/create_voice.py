"""The verb create-voice: recordings in, voice out."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rvc import Report, params, silent
from rvc.config import experiment

STAGES: tuple[tuple[str, str, type[params.Params]], ...] = (
    ("preprocess", "rvc.dataset.preprocess:run", params.Preprocess),
    ("extract", "rvc.dataset.extract:run", params.Extract),
    ("train", "rvc.train.train:run", params.Train),
)


def run(p: params.CreateVoice, report: Report = silent) -> dict[str, Any]:
    """Do the stages in order; the first that fails ends the run with its own error.

    Each stage keeps what it finds done with the same settings, so running it again goes on
    where it was stopped. Training ends by building the index.

    Raises:
        MissingModel: a model file that some stage needs cannot be had; nothing was begun.
    """
    require_models(p, report)
    values = p.model_dump()
    results: dict[str, dict[str, Any]] = {}
    for name, engine, kind in STAGES:
        module, function = engine.split(":")
        stage = kind(**{key: values[key] for key in kind.model_fields})
        results[name] = getattr(import_module(module), function)(stage, _named(name, report))
    out: dict[str, Any] = results["train"] | {"model_name": p.model_name, "stages": results}
    return out


def require_models(p: params.CreateVoice, report: Report = silent) -> None:
    """Fetch or miss every model file now: not after an hour of cutting and listening.

    Raises:
        MissingModel: one is not here and cannot be fetched.
    """
    from rvc import f0
    from rvc.embedders.manager import EmbedderManager
    from rvc.train import pretrained

    folder = experiment(p.model_name)
    f0.require(p.f0_method)
    manager = EmbedderManager(_named("preprocess", report))
    manager.home(p.embedder_model, p.embedder_model_custom)
    if p.cleanup or not (folder / "state.pt").is_file():
        values = p.model_dump()
        train = params.Train(**{key: values[key] for key in params.Train.model_fields})
        pretrained.choose(train, folder)


def _named(stage: str, report: Report) -> Report:
    def say(done: float, total: float, note: str = "") -> None:
        report(done, total, f"{stage}: {note}" if note else stage)

    return say
