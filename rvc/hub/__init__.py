"""Model files of others: the catalogue, the download room, reading what strangers wrote.

Here: what tells one file from another, computed once per file and remembered on disk.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from rvc import files
from rvc.config import paths

LOG = logging.getLogger(__name__)
BLOCK = 1 << 20


def sha256(path: Path, heard: Callable[[int], None] | None = None, again: bool = False) -> str:
    """Hex digest of a file; an unchanged file (size, time of change) is not read again.

    Args:
        heard: told the number of bytes of every block read.
        again: read the file even if it is unchanged.
    """
    stat = path.stat()
    key = str(path.resolve())
    mark = [stat.st_size, stat.st_mtime_ns]
    known = None if again else _known(key, mark)
    if known is not None:
        return known
    digest = _compute(path, heard)
    _remember(key, mark, digest)
    return digest


def renamed(old: Path, new: Path) -> None:
    """Take what is known of a file along to its new name."""
    stat = new.stat()
    mark = [stat.st_size, stat.st_mtime_ns]
    if (known := _known(str(old.resolve()), mark)) is not None:
        _remember(str(new.resolve()), mark, known)
        _note(str(old.resolve())).unlink(missing_ok=True)


def _compute(path: Path, heard: Callable[[int], None] | None) -> str:
    sum_ = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            sum_.update(block)
            if heard:
                heard(len(block))
    return sum_.hexdigest()


def _note(path: str) -> Path:
    """The file that remembers the digest of one file, so that two processes lose nothing."""
    return paths().cache / "digests" / f"{hashlib.sha256(path.encode()).hexdigest()[:32]}.json"


def _known(path: str, mark: list[int]) -> str | None:
    """The digest of a file that has not changed since."""
    try:
        found = files.read_json(_note(path))
    except (OSError, ValueError):
        return None
    same = found.get("path") == path and [found.get("size"), found.get("mtime_ns")] == mark
    return str(found["sha256"]) if same and "sha256" in found else None


def _remember(path: str, mark: list[int], digest: str) -> None:
    """Only a shortcut: a folder that cannot be written costs time, nothing else."""
    note = _note(path)
    values = {"path": path, "size": mark[0], "mtime_ns": mark[1], "sha256": digest}
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(note, values, durable=False)
    except OSError as error:
        LOG.debug("%s", error)
