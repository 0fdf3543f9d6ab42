"""Files that can be made anew at any time: kept under names made of contents, within a limit."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path

LOG = logging.getLogger(__name__)
PART = ".part-"  # prefix of folders in which a file is made
STALE_S = 24 * 3600


def used(file: Path) -> None:
    """Note that a file was of use: what was unused longest goes first."""
    try:
        os.utime(file)
    except OSError as error:
        LOG.debug("%s: %s", file, error)


def prune(newest: Path, limit_bytes: int) -> None:
    """Drop what was unused longest until all fit the limit; also what a killed process left.

    Args:
        newest: stays in any case; files of its ending are looked at, each with a companion of
            the ending .data that lives and goes with it.
    """
    kept = sorted(newest.parent.glob(f"*{newest.suffix}"), key=_changed, reverse=True)
    total = 0
    for file in kept:
        pair = (file, file.with_suffix(".data"))
        total += sum(f.stat().st_size for f in pair if f.exists())
        if total > limit_bytes and file != newest:
            drop(*pair)
    for left in newest.parent.glob(f"{PART}*"):
        if time.time() - _changed(left) > STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def drop(*files: Path) -> None:
    """Delete files; one that is in use (Windows) stays until another time."""
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            LOG.debug("%s: %s", file, error)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
