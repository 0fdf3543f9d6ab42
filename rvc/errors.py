"""Every failure a person can meet: one sentence, the thing at fault, a hint and an exit code."""

from __future__ import annotations

from typing import Any


class VoiceError(Exception):
    """Something the user can understand and act on; front ends print it instead of a traceback.

    Args:
        message: one sentence that names the file or value at fault.
        hint: what to do next; may be empty.

    Attributes:
        result: what was done nevertheless, where a verb did a part of its work.
    """

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.result: dict[str, Any] | None = None

    def __reduce__(self) -> tuple[type[VoiceError], tuple[str, str]]:
        return type(self), (self.message, self.hint)

    def as_dict(self) -> dict[str, str]:
        return {"error": self.code, "message": self.message, "hint": self.hint}


class BadInput(VoiceError):
    """A file, name or value given by the user cannot be used."""

    code = "bad_input"
    exit_code = 3


class NotFound(BadInput):
    """What was asked for by its name is not here."""


class MissingModel(VoiceError):
    """A model file is needed and absent; the hint says how to get it."""

    code = "missing_model"
    exit_code = 4


class StageFailed(VoiceError):
    """A stage produced nothing valid, or too many of its files failed."""

    code = "stage_failed"
    exit_code = 5


class Mismatch(VoiceError):
    """Two things do not belong together: widths, rates, embedders, architectures."""

    code = "mismatch"
    exit_code = 6


class DownloadFailed(VoiceError):
    """A file could not be fetched, or what came was not the file."""

    code = "download_failed"
    exit_code = 7


class StorageFailed(VoiceError):
    """Disk full, read-only folder: nothing could be written, nothing old was damaged."""

    code = "storage_failed"
    exit_code = 8


class Busy(VoiceError):
    """Another process is working on the same experiment or file."""

    code = "busy"
    exit_code = 9


class NotReady(VoiceError):
    """This installation cannot do the default conversion; `doctor` lists why, and what to do."""

    code = "not_ready"
    exit_code = 10


class Cancelled(VoiceError):
    """Stopped on request, after saving what could be saved."""

    code = "cancelled"
    exit_code = 130


KINDS = (
    VoiceError,
    BadInput,
    MissingModel,
    StageFailed,
    Mismatch,
    DownloadFailed,
    StorageFailed,
    Busy,
    NotReady,
    Cancelled,
)


def from_dict(said: dict[str, str]) -> VoiceError:
    """The failure that another process has told by `as_dict`."""
    kind = next((kind for kind in KINDS if kind.code == said["error"]), VoiceError)
    return kind(said["message"], said["hint"])
