"""The verb batch-infer: a folder of recordings, one voice or several."""

from __future__ import annotations

import errno
import fnmatch
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc import Report, failures
from rvc.audio import formats
from rvc.errors import BadInput, Cancelled, StageFailed, VoiceError
from rvc.infer import infer, voice
from rvc.params import BatchInfer

LOG = logging.getLogger(__name__)
SUFFIX = "_output"
SHARES = {"Reading": (0.0, 0.05), "Pitch": (0.05, 0.3), "Voice": (0.3, 0.95)}  # of a recording
HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no other recording would fare better


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
    failed = [_failure(Path(e.filename), e) for e in _folders_refused(p)]
    skipped, total = 0, len(work) + len(failed)
    for number, task in enumerate(work):
        if task.target.exists() and not p.overwrite:
            skipped += 1
            continue
        within = _within(report, number, work)
        try:
            loaded = voice.load(task.pth, task.index, p, report)
        except VoiceError as error:
            error.result = {"converted": done, "failed": failed}
            raise
        try:
            made = infer.convert(task.source, task.target, loaded, p, within, track=p.track)
            done.append({"file": str(task.source)} | made)
        except Cancelled as error:
            error.result = {"converted": done, "failed": failed}
            raise
        except (VoiceError, OSError, RuntimeError, ValueError, MemoryError) as error:
            failed.append(_failure(task.source, error))
            if isinstance(error, OSError) and error.errno in HOPELESS:
                break
        report(number + 1, len(work), task.source.name)
    _raise_failures(failed, done, total)
    already = f" {skipped} were already there (--overwrite converts them again)." if skipped else ""
    return {
        "converted": done,
        "skipped": skipped,
        "failed": failed,
        "message": f"Converted {len(done)} recordings into {p.output_folder}.{already}",
    }


def _failure(source: Path, error: Exception) -> dict[str, str]:
    """What became of a recording, or a folder, that gave nothing."""
    cause = failures.explain(error).message if isinstance(error, OSError) else str(error)
    LOG.error("%s: %s", source, cause)
    return {"file": str(source), "cause": cause}


def _within(report: Report, number: int, work: list[Task]) -> Report:
    """Progress of one recording as a part of all; it never goes back."""
    furthest = 0.0

    def share_of_all(done: float, total: float, note: str = "") -> None:
        nonlocal furthest
        begin, end = SHARES.get(note, (furthest, furthest))
        share = begin + (end - begin) * min(1.0, done / total if total else 0.0)
        furthest = max(furthest, share)
        report(number + furthest, len(work), work[number].source.name)

    return share_of_all


def _raise_failures(failed: list[dict[str, str]], done: list[dict[str, Any]], total: int) -> None:
    if failed:
        more = "".join(f"\n  {f['file']}: {f['cause']}" for f in failed[1:20])
        verb = "is" if len(done) == 1 else "are"
        error = StageFailed(
            f"{len(failed)} of {total} recordings could not be converted, {len(done)} {verb} done. "
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
    refused: list[OSError] = []
    found = _paths(p, refused.append)
    results = p.output_folder.resolve()
    apart = results != p.input_folder.resolve()
    chosen = [
        path
        for path in found
        if formats.is_sound_name(path)
        and not path.name.startswith(".")
        and path.is_file()
        and fnmatch.fnmatch(path.name, pattern)
        and not (apart and results in path.resolve().parents)
        and (apart or not path.stem.endswith(SUFFIX))
    ]
    if not chosen and refused:
        raise failures.explain(refused[0])
    if not chosen:
        raise BadInput(
            f"{p.input_folder} holds no recording that fits {pattern!r}.",
            "Check --pattern and --recursive.",
        )
    return chosen


def _paths(p: BatchInfer, refused: Callable[[OSError], object]) -> list[Path]:
    """All files of the input folder, in order; `refused` gets why a folder cannot be listed."""
    found: list[Path] = []
    for top, folders, names in os.walk(p.input_folder, onerror=refused):
        if not p.recursive:
            folders.clear()
        found += [Path(top, name) for name in names]
    return sorted(found)


def _folders_refused(p: BatchInfer) -> list[OSError]:
    refused: list[OSError] = []
    _paths(p, refused.append)
    return refused
