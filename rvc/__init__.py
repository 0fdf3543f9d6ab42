"""Voice cloning: preprocess, extract, train, index, convert.

For programs that use it: `Voice`, `convert`, and `Report`, how a long verb says how far it is.
"""

from __future__ import annotations

from typing import Any, Protocol

__version__ = "0.2.0"
LOADED_WHEN_USED = {  # they bring torch, which the command line's help does without
    "Voice": "rvc.infer.voice:Voice",
    "convert": "rvc.infer.convert:convert",
}


class Report(Protocol):
    """Called often and cheaply. Implementations may raise `Cancelled` to stop the verb."""

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """Say that `done` of `total` units of the current phase named `note` are finished."""


def silent(done: float, total: float, note: str = "") -> None:
    """A Report that tells nobody."""


def __getattr__(name: str) -> Any:
    if name not in LOADED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rvc.plugins import attribute

    return attribute(LOADED_WHEN_USED[name])
