"""The verbs: what every front end can ask for; each loads its engine only when called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rvc import params
from rvc.config import named, paths
from rvc.errors import Busy, VoiceError
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
    "dataset-report": Verb(params.DatasetReport, "rvc.tools.dataset_report:run"),
    "preprocess": Verb(params.Preprocess, "rvc.train.preprocess:run"),
    "extract": Verb(params.Extract, "rvc.train.extract:run"),
    "train": Verb(params.Train, "rvc.train.launch:run"),
    "index": Verb(params.Index, "rvc.train.index:run"),
    "create-voice": Verb(params.CreateVoice, "rvc.train.pipeline:run"),
    "infer": Verb(params.Infer, "rvc.infer.files:infer"),
    "batch-infer": Verb(params.BatchInfer, "rvc.infer.batch:batch_infer"),
    "model-information": Verb(params.ModelInformation, "rvc.tools.information:run"),
    "model-blender": Verb(params.ModelBlender, "rvc.tools.blend:run"),
    "model-extract": Verb(params.ModelExtract, "rvc.tools.rework:extract"),
    "model-edit": Verb(params.ModelEdit, "rvc.tools.rework:edit"),
    "model-convert": Verb(params.ModelConvert, "rvc.tools.rework:convert"),
    "f0-curve": Verb(params.F0Curve, "rvc.tools.f0_curve:run"),
    "prerequisites": Verb(params.Prerequisites, "rvc.hub.assets:prerequisites"),
    "assets": Verb(params.Assets, "rvc.hub.assets:run"),
    "tts": Verb(params.Tts, "rvc.tools.speak:run"),
    "tensorboard": Verb(params.Tensorboard, "rvc.tools.board:run"),
    "base-models": Verb(params.BaseModels, "rvc.tools.base_models:run"),
    "voices": Verb(params.Voices, "rvc.tools.voices:listing"),
    "import-voice": Verb(params.ImportVoice, "rvc.tools.voices:bring"),
    "download": Verb(params.Download, "rvc.tools.voices:download"),
    "export-voice": Verb(params.ExportVoice, "rvc.tools.voices:export"),
    "delete-voice": Verb(params.DeleteVoice, "rvc.tools.voices:delete"),
    "export-onnx": Verb(params.ExportOnnx, "rvc.tools.export_onnx:run"),
    "demo": Verb(params.Demo, "rvc.tools.demo:run"),
    "evaluate": Verb(params.Evaluate, "rvc.tools.evaluate:run"),
}


def run(name: str, p: params.Params, report: Report = silent) -> Result:
    """Do the verb called `name`; the result is JSON-ready and holds a `message` sentence.

    Raises:
        VoiceError: anything the user can act on.
    """
    verb = VERBS[name]
    if not isinstance(p, verb.params):
        raise TypeError(f"{name} takes {verb.params.__name__}, not {type(p).__name__}")
    module, function = verb.engine.split(":")
    engine: Callable[[params.Params, Report], Result] = getattr(import_module(module), function)
    try:
        with _alone(p):
            return engine(p, report)
    except OSError as error:
        raise _storage(error) from error


@contextmanager
def _alone(p: params.Params) -> Iterator[None]:
    """Nobody else works on the same voice meanwhile; the lock dies with its process.

    Raises:
        Busy: another process holds it.
    """
    name = getattr(p, "model_name", None)
    if name is None:
        yield
        return
    from filelock import FileLock, Timeout

    lock = named(paths().cache / "locks", name)
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(f"{lock}.lock").acquire(timeout=0.5)
    except Timeout as error:
        raise Busy(
            f"Another process is working on the voice {name!r}.", "Wait for it or stop it first."
        ) from error
    with held:
        yield


def _storage(error: OSError) -> VoiceError:
    import errno

    from rvc.errors import BadInput, StorageFailed

    where = error.filename or "the disk"
    if error.errno == errno.ENOSPC:
        return StorageFailed(
            f"No space left while writing {where}.", "Free some space and run it again."
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return StorageFailed(f"Not allowed to write {where}.", "Choose a folder you can write to.")
    if isinstance(error, FileNotFoundError):
        return BadInput(f"{where} does not exist.", "Check the path.")
    return StorageFailed(f"{where}: {error.strerror or error}.", "Check the disk and the path.")
