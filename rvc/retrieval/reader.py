"""Reads .index files without parsing them: a child process does, and hands back plain arrays.

The arrays are kept in the cache under the digest of the file, so that a file is read once and
mapped from then on. Nothing depends on the cache: what is missing or damaged is made anew.
"""

from __future__ import annotations

import errno
import logging
import subprocess
import tempfile
from pathlib import Path

from rvc import files, processes
from rvc.config import command, paths
from rvc.errors import BadInput
from rvc.hub import cache, sha256
from rvc.retrieval import table as tables
from rvc.retrieval.table import Damaged, Table

LOG = logging.getLogger(__name__)
CHILD = ["-m", "rvc.retrieval.reader_child"]
SECONDS = 120  # longest time one file is read
CACHE_BYTES = 2 << 30
SUFFIX = ".table"
HINT = f"Build it again with `{command('index')}`."


def read(file: Path) -> Table:
    """The vectors of a .index file, sorted by cell; the file is never trusted.

    Raises:
        BadInput: missing, too large, damaged, or it took too much memory or time.
        OSError: the disk is full.
    """
    if not file.is_file():
        raise BadInput(f"The index {file} does not exist.", "Check --index-path.")
    if file.stat().st_size > tables.LIMIT_BYTES:
        raise BadInput(f"The index {file} is larger than any voice needs.", "Choose another.")
    kept = paths().cache / "indexes" / f"{sha256(file)}{SUFFIX}"
    return _cached(kept) or _read_apart(file, kept)


def _cached(kept: Path) -> Table | None:
    """What is in the cache; None where there is nothing whole."""
    try:
        table = tables.read(kept, mapped=True)
    except FileNotFoundError:
        return None
    except (Damaged, OSError) as error:
        LOG.warning("%s is made anew: %s", kept, error)
        cache.drop(kept)
        return None
    cache.used(kept)
    return table


def _read_apart(file: Path, kept: Path) -> Table:
    """Have the file read, and keep the result."""
    with _working_folder(kept.parent) as folder:
        part = Path(folder) / kept.name
        _run(file, part)
        try:
            table = tables.read(part)
        except Damaged as error:
            raise _refused(file, str(error)) from error
        try:
            files.replace(part, kept)
            cache.prune(kept, CACHE_BYTES)
        except OSError as error:
            LOG.debug("%s is not kept: %s", file, error)
    return table


def _working_folder(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder to work in: in the cache, or elsewhere where that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=cache.PART, dir=folder)
    except OSError as error:
        LOG.debug("%s", error)
        return tempfile.TemporaryDirectory()


def _run(file: Path, part: Path) -> None:
    """Let the child turn `file` into a table at `part`."""
    with file.open("rb") as source, part.open("wb") as target:
        try:
            done = processes.run(
                CHILD, SECONDS, source, target, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"
            )
        except subprocess.TimeoutExpired as error:
            raise _refused(file, "reading it takes too long") from error
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode == tables.FULL:
        raise OSError(errno.ENOSPC, lines[-1] if lines else "disk full", str(part))
    if done.returncode:
        why = lines[-1][:160] if lines else f"its reader ended with code {done.returncode}"
        raise _refused(file, why)


def _refused(file: Path, why: str) -> BadInput:
    return BadInput(f"The index {file} is damaged or of an unknown kind: {why}.", HINT)
