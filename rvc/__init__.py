"""Voice cloning: preprocess, extract, train, index, convert."""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name == "Voice":  # loads torch, which the command line's help does without
        from rvc.infer.voice import Voice

        return Voice
    if name == "convert":
        from rvc.infer.convert import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
