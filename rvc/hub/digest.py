"""Checksums of large files, computed once per file and remembered on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

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
    known = _remembered().get(key)
    if known and known[:2] == mark and not again:
        return str(known[2])
    digest = _compute(path, heard)
    try:
        _remember(key, [*mark, digest])
    except OSError as error:  # a folder that cannot be written costs time, nothing else
        LOG.debug("%s", error)
    return digest


def renamed(old: Path, new: Path) -> None:
    """Take what is known of a file along to its new name."""
    stat = new.stat()
    known = _remembered().get(str(old.resolve()))
    if known and known[:2] == [stat.st_size, stat.st_mtime_ns]:
        _remember(str(new.resolve()), known)


def _compute(path: Path, heard: Callable[[int], None] | None) -> str:
    sum_ = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            sum_.update(block)
            if heard:
                heard(len(block))
    return sum_.hexdigest()


def _ledger() -> Path:
    return paths().cache / "digests.json"


def _remembered() -> dict[str, list]:
    try:
        found = json.loads(_ledger().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(key: str, value: list) -> None:
    """Add one line to the ledger; it is only a shortcut, so a folder we cannot write is fine."""
    ledger = _ledger()
    part = ledger.with_name(f"digests.{os.getpid()}.part")
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(_remembered() | {key: value}), encoding="utf-8")
        part.replace(ledger)
    except OSError:
        part.unlink(missing_ok=True)
