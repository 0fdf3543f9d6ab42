"""What the processes of one training tell the process that started them, through small files.

Progress and errors go one way, the wish to stop the other; a folder is all they have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rvc import errors, files
from rvc.errors import Cancelled, VoiceError
from rvc.params import Train
from rvc.progress import Report

PARAMETERS, PROGRESS, STOP = "train.json", "progress.json", "stop"


@dataclass(frozen=True)
class Exchange:
    """The folder in which both sides look."""

    folder: Path

    @property
    def parameters(self) -> Path:
        return self.folder / PARAMETERS

    def give(self, p: Train) -> None:
        """Leave the parameters for the processes."""
        files.write_text(self.parameters, p.model_dump_json(), durable=False)

    def report(self, done: float, total: float, note: str = "") -> None:
        """A Report for a process of the training.

        Raises:
            Cancelled: the starter wants it to stop.
        """
        said = {"done": done, "total": total, "note": note}
        files.write_json(self.folder / PROGRESS, said, durable=False)
        if (self.folder / STOP).exists():
            raise Cancelled("Stopped on request.")

    def relay(self, report: Report) -> None:
        """Pass on the newest progress; a wish to stop is left for the processes to find."""
        try:
            said = files.read_json(self.folder / PROGRESS)
        except FileNotFoundError:
            return
        try:
            report(float(said["done"]), float(said["total"]), str(said["note"]))
        except Cancelled:
            (self.folder / STOP).touch()

    @property
    def stop_wanted(self) -> bool:
        return (self.folder / STOP).exists()

    def fail(self, rank: int, error: VoiceError) -> None:
        """Tell the starter why a process ends."""
        said = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        files.write_json(self.folder / f"error-{rank}.json", said, durable=False)

    def cause(self) -> VoiceError | None:
        """The error that ended the training, if a process could say so; no mere stop."""
        for file in sorted(self.folder.glob("error-*.json")):
            said = files.read_json(file)
            kind = getattr(errors, str(said["kind"]), VoiceError)
            if kind is not Cancelled:
                return kind(str(said["message"]), str(said["hint"]))
        return None
