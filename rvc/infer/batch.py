"""The verb batch-infer: a folder of recordings, one voice or several."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc import Report
from rvc.audio import formats
from rvc.errors import BadInput, Cancelled, StageFailed, VoiceError
from rvc.infer import infer, voice
from rvc.params import BatchInfer

LOG = logging.getLogger(__name__)
SUFFIX = "_output"


@dataclass(frozen=True)
class Task:
    """One recording for one voice."""

    source: Path
    target: Path
    pth: Path
    index: Path | None


def batch_infer(p: BatchInfer, report: Report) -> dict[str, Any]:
    """Convert a folder; what fails is reported at the end, what is there already is left alone.

    Raises:
        BadInput: no folder, no recordings, or indexes that do not pair with the voices.
        StageFailed: some recordings failed; all others are done.
    """
    work = list(tasks(p))
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    skipped = 0
    for number, task in enumerate(work):
        if task.target.exists() and not p.overwrite:
            skipped += 1
            continue
        loaded = voice.load(task.pth, task.index, p, report)
        try:
            done.append(
                {"file": str(task.source)}
                | infer.convert(task.source, task.target, loaded, p, _within(report, number, work))
            )
        except Cancelled as error:
            error.result = {"converted": done, "failed": failed}
            raise
        except (VoiceError, RuntimeError, ValueError, MemoryError) as error:
            LOG.error("%s: %s", task.source, error)
            failed.append({"file": str(task.source), "cause": str(error)})
        report(number + 1, len(work), task.source.name)
    _raise_failures(failed, done, len(work))
    already = f" {skipped} were already there (--overwrite converts them again)." if skipped else ""
    return {
        "converted": done,
        "skipped": skipped,
        "failed": failed,
        "message": f"Converted {len(done)} recordings into {p.output_folder}.{already}",
    }


def _within(report: Report, number: int, work: list[Task]) -> Report:
    """Progress of one recording as a part of all."""

    def share_of_all(done: float, total: float, note: str = "") -> None:
        share = 0.98 * done / total if note == "Voice" and total else 0.0
        report(number + share, len(work), work[number].source.name)

    return share_of_all


def _raise_failures(failed: list[dict[str, str]], done: list[dict[str, Any]], total: int) -> None:
    if failed:
        more = "".join(f"\n  {f['file']}: {f['cause']}" for f in failed[1:20])
        error = StageFailed(
            f"{len(failed)} of {total} recordings could not be converted, the others are done. "
            f"{failed[0]['file']}: {failed[0]['cause']}{more}",
            "Repair or remove them and run it again: what is done is not done twice.",
        )
        error.result = {"converted": done, "failed": failed}
        raise error


def tasks(p: BatchInfer) -> Iterator[Task]:
    """Every recording with every voice, in order, and where each result goes."""
    if p.index_path and len(p.index_path) != len(p.pth_path):
        raise BadInput(
            f"{len(p.pth_path)} voices were given with {len(p.index_path)} indexes.",
            "Give one --index-path for each --pth-path, in the same order, or none.",
        )
    sources = recordings(p, p.pattern)
    stems: dict[Path, int] = {}
    for source in recordings(p, "*"):  # so that a name does not depend on the pattern
        key = source.relative_to(p.input_folder).with_suffix("")
        stems[key] = stems.get(key, 0) + 1
    folders = _voice_folders(p)
    for number, pth in enumerate(p.pth_path):
        index = p.index_path[number] if p.index_path else None
        for source in sources:
            key = source.relative_to(p.input_folder).with_suffix("")
            name = source.stem if stems[key] == 1 else source.name
            target = folders[number] / key.parent / f"{name}{SUFFIX}.{p.export_format.lower()}"
            yield Task(source, target, pth, index)


def _voice_folders(p: BatchInfer) -> list[Path]:
    if len(p.pth_path) == 1:
        return [p.output_folder]
    names = [pth.stem for pth in p.pth_path]
    return [
        p.output_folder / (name if names.count(name) == 1 else f"{number + 1} {name}")
        for number, name in enumerate(names)
    ]


def recordings(p: BatchInfer, pattern: str) -> list[Path]:
    """The sound files of the input folder that fit a pattern, results of earlier runs left out.

    Raises:
        BadInput: no such folder, or nothing in it fits.
    """
    if not p.input_folder.is_dir():
        raise BadInput(f"{p.input_folder} is not a folder.", "Check --input-folder.")
    found = p.input_folder.rglob("*") if p.recursive else p.input_folder.iterdir()
    results = p.output_folder.resolve()
    apart = results != p.input_folder.resolve()
    chosen = [
        path
        for path in sorted(found)
        if formats.is_sound_name(path)
        and not path.name.startswith(".")
        and path.is_file()
        and fnmatch.fnmatch(path.name, pattern)
        and not (apart and results in path.resolve().parents)
        and (apart or not path.stem.endswith(SUFFIX))
    ]
    if not chosen:
        raise BadInput(
            f"{p.input_folder} holds no recording that fits {pattern!r}.",
            "Check --pattern and --recursive.",
        )
    return chosen
