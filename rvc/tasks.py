"""The verbs: what every front end can ask for; each loads its engine only when called."""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvc import Report, silent
from rvc.plugins import attribute

if TYPE_CHECKING:
    from rvc.params import Params

Result = dict[str, Any]


@dataclass(frozen=True)
class Verb:
    """One thing the program can do.

    Attributes:
        declared: "module:class" of its parameters.
        engine: "module:function" with the signature (params, report) -> Result.
        warm: a server has it done by a process that keeps what it has loaded.
        long: there it lets those pass that are not.
    """

    declared: str
    engine: str
    warm: bool = False
    long: bool = False

    @property
    def params(self) -> type[Params]:
        """The class of its parameters; those of other verbs are not loaded with it."""
        found: type[Params] = attribute(self.declared)
        return found

    @property
    def sentence(self) -> str:
        """What it does: the first line of that class's text, for which nothing is loaded."""
        module, _, name = self.declared.partition(":")
        return _texts(module)[name].splitlines()[0]


@lru_cache
def _texts(module: str) -> dict[str, str]:
    """What each class of a module says of itself, read in its source."""
    spec = find_spec(module)
    assert spec is not None
    tree = ast.parse(Path(str(spec.origin)).read_bytes())
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {node.name: ast.get_docstring(node) or "" for node in classes}


VERBS = {
    "audio-analyzer": Verb("rvc.params.train:AudioAnalyzer", "rvc.tools.analyzer:run", warm=True),
    "dataset-report": Verb("rvc.params.train:DatasetReport", "rvc.dataset.report.report:run"),
    "preprocess": Verb("rvc.params.train:Preprocess", "rvc.dataset.preprocess:run"),
    "extract": Verb("rvc.params.train:Extract", "rvc.dataset.extract:run"),
    "train": Verb("rvc.params.train:Train", "rvc.train.train:run"),
    "index": Verb("rvc.params.train:Index", "rvc.train.index:run"),
    "create-voice": Verb("rvc.params.train:CreateVoice", "rvc.train.create_voice:run"),
    "distil": Verb("rvc.params.train:Distil", "rvc.tools.distil:run"),
    "infer": Verb("rvc.params.convert:Infer", "rvc.infer.infer:infer", warm=True),
    "batch-infer": Verb(
        "rvc.params.convert:BatchInfer", "rvc.infer.batch:batch_infer", warm=True, long=True
    ),
    "realtime": Verb("rvc.params.live:Realtime", "rvc.realtime.verb:run"),
    "cover": Verb("rvc.params.songs:Cover", "rvc.songs.cover:run", warm=True, long=True),
    "separate": Verb("rvc.params.songs:Separate", "rvc.songs.separate:run", warm=True, long=True),
    "model-information": Verb(
        "rvc.params.voices:ModelInformation", "rvc.voices.information:run", warm=True
    ),
    "model-blender": Verb("rvc.params.voices:ModelBlender", "rvc.voices.blend:run", warm=True),
    "model-extract": Verb("rvc.params.voices:ModelExtract", "rvc.voices.edit:extract"),
    "model-edit": Verb("rvc.params.voices:ModelEdit", "rvc.voices.edit:edit", warm=True),
    "model-convert": Verb("rvc.params.voices:ModelConvert", "rvc.voices.edit:convert", warm=True),
    "f0-curve": Verb("rvc.params.voices:F0Curve", "rvc.tools.f0_curve:run", warm=True),
    "prerequisites": Verb("rvc.params.voices:Prerequisites", "rvc.tools.models:prerequisites"),
    "assets": Verb("rvc.params.voices:Assets", "rvc.tools.models:assets"),
    "tts": Verb("rvc.params.convert:Tts", "rvc.tts.speak:run", warm=True),
    "tensorboard": Verb("rvc.params.voices:Tensorboard", "rvc.tools.tensorboard:run"),
    "base-models": Verb("rvc.params.voices:BaseModels", "rvc.tools.models:base_models"),
    "voices": Verb("rvc.params.voices:Voices", "rvc.voices.verbs:listing"),
    "import-voice": Verb("rvc.params.voices:ImportVoice", "rvc.voices.importing:bring"),
    "download": Verb("rvc.params.voices:Download", "rvc.voices.verbs:download"),
    "export-voice": Verb("rvc.params.voices:ExportVoice", "rvc.voices.verbs:export", warm=True),
    "rename-voice": Verb("rvc.params.voices:RenameVoice", "rvc.voices.rename:run"),
    "delete-voice": Verb("rvc.params.voices:DeleteVoice", "rvc.voices.trash:delete"),
    "restore-voice": Verb("rvc.params.voices:RestoreVoice", "rvc.voices.trash:restore"),
    "empty-trash": Verb("rvc.params.voices:EmptyTrash", "rvc.voices.trash:empty"),
    "voice-sample": Verb("rvc.params.voices:VoiceSample", "rvc.voices.sample:run", warm=True),
    "export-onnx": Verb("rvc.params.voices:ExportOnnx", "rvc.onnx.export:run"),
    "doctor": Verb("rvc.params.voices:Doctor", "rvc.tools.doctor:run"),
    "demo": Verb("rvc.params.voices:Demo", "rvc.tools.demo:run"),
    "evaluate": Verb("rvc.params.evaluate:Evaluate", "rvc.evaluate.evaluate:run"),
}


def run(name: str, p: Params, report: Report = silent) -> Result:
    """Do the verb called `name`; the result is JSON-ready and holds a `message` sentence.

    Raises:
        VoiceError: anything the user can act on. BrokenPipeError: nobody reads the result any more.
    """
    verb = VERBS[name]
    if not isinstance(p, verb.params):
        raise TypeError(f"{name} takes {verb.params.__name__}, not {type(p).__name__}")
    engine: Callable[[Params, Report], Result] = attribute(verb.engine)
    try:
        with _alone(p):
            return engine(p, report)
    except BrokenPipeError:
        raise
    except OSError as error:
        from rvc.failures import explain

        raise explain(error) from error


def _alone(p: Params) -> AbstractContextManager[None]:
    """Nobody else works on the same voice meanwhile.

    Raises:
        Busy: another process or thread does.
    """
    name: str | None = getattr(p, "model_name", None)
    if name is None:
        return nullcontext()
    from rvc.dataset import lock

    return lock.hold(name)
