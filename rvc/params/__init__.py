"""Every user-facing parameter, declared once: type, range, default and help.

Command line, web UI, HTTP API, job files and the README's tables are all made from these
classes. Names, defaults and ranges are Applio's, so its users' command lines keep working.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rvc.params.base import Params
    from rvc.params.convert import (
        Applied,
        BatchInfer,
        Conversion,
        Convert,
        Effects,
        Infer,
        Tts,
    )
    from rvc.params.evaluate import Evaluate
    from rvc.params.live import Live, Realtime
    from rvc.params.songs import Cover, Separate
    from rvc.params.train import (
        AudioAnalyzer,
        CreateVoice,
        DatasetReport,
        Distil,
        Extract,
        Index,
        Preprocess,
        Train,
    )
    from rvc.params.voices import (
        Assets,
        BaseModels,
        DeleteVoice,
        Demo,
        Doctor,
        Download,
        EmptyTrash,
        ExportOnnx,
        ExportVoice,
        F0Curve,
        ImportVoice,
        ModelBlender,
        ModelConvert,
        ModelEdit,
        ModelExtract,
        ModelInformation,
        Prerequisites,
        RenameVoice,
        RestoreVoice,
        Tensorboard,
        Voices,
        VoiceSample,
    )
else:

    def __getattr__(name: str) -> Any:
        """A class by its name, from the first file that has it; those after it are not loaded."""
        for file in ("base", "convert", "evaluate", "train", "songs", "live", "voices"):
            if name in __all__ and hasattr(found := import_module(f"rvc.params.{file}"), name):
                return getattr(found, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [  # fmt: skip
    "Applied",
    "Assets",
    "AudioAnalyzer",
    "BaseModels",
    "BatchInfer",
    "Conversion",
    "Convert",
    "Cover",
    "CreateVoice",
    "DatasetReport",
    "DeleteVoice",
    "Demo",
    "Distil",
    "Doctor",
    "Download",
    "Effects",
    "EmptyTrash",
    "Evaluate",
    "ExportOnnx",
    "ExportVoice",
    "Extract",
    "F0Curve",
    "ImportVoice",
    "Index",
    "Infer",
    "Live",
    "ModelBlender",
    "ModelConvert",
    "ModelEdit",
    "ModelExtract",
    "ModelInformation",
    "Params",
    "Preprocess",
    "Prerequisites",
    "Realtime",
    "RenameVoice",
    "RestoreVoice",
    "Separate",
    "Tensorboard",
    "Train",
    "Tts",
    "VoiceSample",
    "Voices",
]
