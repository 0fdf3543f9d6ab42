"""The set of slices that an experiment has, and what the manifest remembers of each recording."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rvc.dataset import manifest
from rvc.dataset.scan import Recording
from rvc.dataset.slices import FOLDERS

DERIVED = (*FOLDERS, "f0", "f0_voiced", "extracted")
SLICE = re.compile(r"^(\d+_(\d+)_\d+)\.")
HEADER_BYTES = 58

Sources = dict[str, dict[str, Any]]


def _files(folder: Path, subs: Iterable[str]) -> Iterator[tuple[Path, str, int]]:
    """(file, stem of its slice, number of its recording) of all that is named like a slice."""
    for sub in subs:
        for file in sorted((folder / sub).iterdir()) if (folder / sub).is_dir() else ():
            if match := SLICE.match(file.name):
                yield file, match[1], int(match[2])


def entry(recording: Recording, number: int) -> dict[str, Any]:
    """What the manifest remembers of a recording, before it is cut."""
    try:
        found = recording.path.stat()
        size, mtime_ns = found.st_size, found.st_mtime_ns
    except OSError:
        size, mtime_ns = 0, 0
    return {
        "speaker": recording.speaker,
        "number": number,
        "size": size,
        "mtime_ns": mtime_ns,
        "digest": "",
        "seconds": 0.0,
        "clipped": 0.0,
        "slices": [],
        "warnings": [],
        "cause": "",
        "kind": "",
    }


def unchanged(recording: Recording, entry: dict[str, Any], folder: Path) -> bool:
    """Same speaker, same content, all slices there."""
    if entry["cause"] or entry["speaker"] != recording.speaker:
        return False
    files = [folder / sub / name for sub in FOLDERS for name in entry["slices"]]
    if not all(f.is_file() and f.stat().st_size > HEADER_BYTES for f in files):
        return False
    found = recording.path.stat()
    if (found.st_size, found.st_mtime_ns) == (entry["size"], entry["mtime_ns"]):
        return True
    if found.st_size != entry["size"] or manifest.file_digest(recording.path) != entry["digest"]:
        return False
    entry["mtime_ns"] = found.st_mtime_ns
    return True


def free_numbers(folder: Path, old: Sources) -> Iterator[int]:
    """Numbers for recordings that nothing in the experiment uses, from 0 up."""
    used = {made["number"] for made in old.values()}
    used |= {number for _, _, number in _files(folder, DERIVED)}
    number = 0
    while True:
        if number not in used:
            yield number
        number += 1


def drop(folder: Path, numbers: set[int]) -> None:
    """Remove the slices of these recordings."""
    for file, _, number in _files(folder, FOLDERS):
        if number in numbers:
            file.unlink(missing_ok=True)


def drop_strangers(folder: Path, names: Iterable[str]) -> None:
    """Remove slices, caches, pitch and features whose slice is not among `names`."""
    stems = {name.removesuffix(".wav") for name in names}
    for file, stem, _ in _files(folder, DERIVED):
        if stem not in stems:
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
