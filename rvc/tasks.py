"""The verbs: what every front end can ask for; each loads its engine only when called."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rvc import params
from rvc.failures import explain
from rvc.progress import Report, silent

Result = dict[str, Any]


@dataclass(frozen=True)
class Verb:
    """One thing the program can do.

    Attributes:
        params: class of its parameters.
        engine: "module:function" with the signature (params, report) -> Result.
    """

    params: type[params.Params]
    engine: str


VERBS = {
    "audio-analyzer": Verb(params.AudioAnalyzer, "rvc.tools.analyzer:run"),
    "dataset-report": Verb(params.DatasetReport, "rvc.dataset.report.report:run"),
    "preprocess": Verb(params.Preprocess, "rvc.dataset.preprocess:run"),
    "extract": Verb(params.Extract, "rvc.dataset.extract:run"),
    "train": Verb(params.Train, "rvc.train.train:run"),
    "index": Verb(params.Index, "rvc.train.index:run"),
    "create-voice": Verb(params.CreateVoice, "rvc.train.create_voice:run"),
    "infer": Verb(params.Infer, "rvc.infer.infer:infer"),
    "batch-infer": Verb(params.BatchInfer, "rvc.infer.batch:batch_infer"),
    "cover": Verb(params.Cover, "rvc.songs.cover:run"),
    "separate": Verb(params.Separate, "rvc.songs.separate:run"),
    "model-information": Verb(params.ModelInformation, "rvc.voices.information:run"),
    "model-blender": Verb(params.ModelBlender, "rvc.voices.blend:run"),
    "model-extract": Verb(params.ModelExtract, "rvc.voices.edit:extract"),
    "model-edit": Verb(params.ModelEdit, "rvc.voices.edit:edit"),
    "model-convert": Verb(params.ModelConvert, "rvc.voices.edit:convert"),
    "f0-curve": Verb(params.F0Curve, "rvc.tools.f0_curve:run"),
    "prerequisites": Verb(params.Prerequisites, "rvc.tools.models:prerequisites"),
    "assets": Verb(params.Assets, "rvc.tools.models:assets"),
    "tts": Verb(params.Tts, "rvc.tts.speak:run"),
    "tensorboard": Verb(params.Tensorboard, "rvc.tools.tensorboard:run"),
    "base-models": Verb(params.BaseModels, "rvc.tools.models:base_models"),
    "voices": Verb(params.Voices, "rvc.voices.verbs:listing"),
    "import-voice": Verb(params.ImportVoice, "rvc.voices.importing:bring"),
    "download": Verb(params.Download, "rvc.voices.verbs:download"),
    "export-voice": Verb(params.ExportVoice, "rvc.voices.verbs:export"),
    "delete-voice": Verb(params.DeleteVoice, "rvc.voices.verbs:delete"),
    "export-onnx": Verb(params.ExportOnnx, "rvc.onnx.export:run"),
    "doctor": Verb(params.Doctor, "rvc.tools.doctor:run"),
    "demo": Verb(params.Demo, "rvc.tools.demo:run"),
    "evaluate": Verb(params.Evaluate, "rvc.evaluate.evaluate:run"),
}


def run(name: str, p: params.Params, report: Report = silent) -> Result:
    """Do the verb called `name`; the result is JSON-ready and holds a `message` sentence.

    Raises:
        VoiceError: anything the user can act on. BrokenPipeError: nobody reads the result any more.
    """
    verb = VERBS[name]
    if not isinstance(p, verb.params):
        raise TypeError(f"{name} takes {verb.params.__name__}, not {type(p).__name__}")
    module, function = verb.engine.split(":")
    engine: Callable[[params.Params, Report], Result] = getattr(import_module(module), function)
    try:
        with _alone(p):
            return engine(p, report)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise explain(error) from error


def _alone(p: params.Params) -> AbstractContextManager[None]:
    """Nobody else works on the same voice meanwhile.

    Raises:
        Busy: another process or thread does.
    """
    name: str | None = getattr(p, "model_name", None)
    if name is None:
        return nullcontext()
    from rvc.dataset import lock

    return lock.hold(name)
