"""Starts one process per GPU, and hears from them: torchrun, and an exchange of small files.

Progress and errors go one way, the wish to stop the other; a folder is all they have in common.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rvc import Report, errors, files, processes
from rvc.device import Device
from rvc.errors import Cancelled, StageFailed, VoiceError
from rvc.params.train import Train
from rvc.train.distributed import require_cuda
from rvc.train.stopping import StopSignals, saved

POLL_S = 0.1
VISIBLE = "CUDA_VISIBLE_DEVICES"
VISIBLE_AMD = "HIP_VISIBLE_DEVICES"  # where it is set, AMD's GPUs are counted by it instead
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


def _rank(exchange: Exchange) -> list[str]:
    """What torchrun starts once per GPU."""
    return ["-m", "rvc.train", str(exchange.parameters), str(exchange.folder)]


def torchrun(
    p: Train,
    chosen: Device,
    folder: Path,
    report: Report,
    rank: Callable[[Exchange], list[str]] = _rank,
) -> None:
    """One process per GPU, all ended together.

    Args:
        rank: arguments of Python for each of the processes.

    Raises:
        Mismatch: GPUs of a kind that cannot work together here.
        Cancelled: stopped on request; every process was told to save and end.
        VoiceError: what a process said that ended the training.
        StageFailed: a process ended without a word.
    """
    require_cuda(chosen.device.type)
    count = len(chosen.numbers)
    with tempfile.TemporaryDirectory() as scratch, StopSignals() as stop:
        exchange = Exchange(Path(scratch))
        exchange.give(p)
        shown = visible(chosen.numbers, os.environ)
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        child = processes.start([*torchrun, *rank(exchange)], **shown)
        status = _attend(child, stop, exchange, report)
        cause, stopped = exchange.cause(), stop.asked or exchange.stop_wanted
    if status and cause is not None:
        raise cause
    if status and stopped:
        raise Cancelled(f"Stopped. {saved(folder)}".strip(), "Start it again to go on from there.")
    if status:
        raise StageFailed(
            f"Training on {count} GPUs ended with status {status}.",
            "The log above names the cause; run the same command to go on from the saved state.",
        )


def visible(numbers: Sequence[int], outside: Mapping[str, str]) -> dict[str, str]:
    """The variables that leave only these of the GPUs this process sees.

    Args:
        outside: the variables in force, whose entries (numbers or UUIDs) are what `numbers` count.
    """
    found = {}
    for name in (VISIBLE, VISIBLE_AMD):
        listed = [entry.strip() for entry in outside.get(name, "").split(",") if entry.strip()]
        if len(listed) > max(numbers):  # a shorter one is not what they count
            found[name] = ",".join(listed[n] for n in numbers)
    return found or {VISIBLE: ",".join(map(str, numbers))}


def _attend(
    child: subprocess.Popen[bytes], stop: StopSignals, exchange: Exchange, report: Report
) -> int:
    """Exit status of torchrun; a SIGTERM reaches it too, a terminal's Ctrl-C already has."""
    forwarded = False
    try:
        while child.poll() is None:
            if stop.signal not in (0, signal.SIGINT) and not forwarded:
                forwarded = True
                child.terminate()
            exchange.relay(report)
            time.sleep(POLL_S)
    except BaseException:
        child.kill()
        raise
    return child.returncode
