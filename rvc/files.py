"""Writes files in one step, so that nobody reads half a file and no failure costs the old one.

What is written goes to a temporary file in the same folder, is flushed to the disk, and only then
takes the name of the file. The temporary name is short and drawn at random: two processes never
share one, and a name of 255 bytes leaves room for it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

WINDOWS = os.name == "nt"
PART = ".part"  # ending of files that are still being written
RETRIES = 40  # of a replacement that Windows refuses while somebody has the file open
RETRY_S = 0.05
STALE_S = 3600.0  # since the last write
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # not known here
NO_FOLDER_SYNC = NO_SYNC | {errno.EBADF, errno.EACCES, errno.EPERM}  # network and FUSE folders
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}

log = logging.getLogger(__name__)
rename = os.replace  # what tests put in its place fails as other systems do


class InUse(PermissionError):
    """A file stays as it is because another program has it open (Windows)."""


def temporary(file: Path, ending: str = PART) -> Path:
    """A new name in the folder of `file` that does not repeat its name."""
    return file.with_name(f".{secrets.token_hex(8)}{ending}")


@contextmanager
def replacing(file: Path, ending: str = PART, durable: bool = True) -> Iterator[Path]:
    """Write to the path given; it takes the place of `file` at the end, or is gone on failure.

    Args:
        file: in a folder that exists.
        ending: of the temporary name, for writers that look at it.
        durable: flush to the disk first; not worth its time for what the next moment replaces.

    Raises:
        OSError: the disk is full or may not be written; it names `file`.
    """
    part = temporary(file, ending)
    try:
        yield part
        commit(part, file, durable)
    except OSError as error:
        if not _is_about(error, part):
            raise
        raise type(error)(error.errno, error.strerror, str(file)) from error
    finally:
        discard(part)


def commit(part: Path, file: Path, durable: bool = True) -> None:
    """Give a finished temporary file its name, for writers that keep it open for long.

    Raises:
        InUse: another program has `file` open (Windows). OSError: the disk refused.
    """
    if durable:
        sync(part)
    replace(part, file)
    if durable:
        sync_folder(file.parent)


def discard(part: Path) -> None:
    """Delete a temporary file; one that cannot be deleted now is left to `remove_stale`."""
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        log.debug("%s: %s", part, error)


def replace(source: Path, target: Path) -> None:
    """Rename over an existing file, also where readers have it open for a moment (Windows).

    Raises:
        InUse: it was open for longer than two seconds. OSError: the system refused.
    """
    for _ in range(RETRIES if WINDOWS else 0):
        try:
            rename(source, target)
        except PermissionError:
            time.sleep(RETRY_S)
        else:
            return
    try:
        rename(source, target)
    except PermissionError as error:
        if not WINDOWS or not target.exists():
            raise
        raise InUse(errno.EACCES, "another program has it open", str(target)) from error


def sync(file: Path) -> None:
    """Wait until the content of a file is on the disk, where the disk can tell."""
    with file.open("rb+") as stream:
        sync_open(stream)


def sync_open(stream: BinaryIO) -> None:
    """The same for a file that is open and flushed."""
    _sync(stream.fileno(), NO_SYNC)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable, where the system and the folder can do that."""
    if WINDOWS:
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
        return
    try:
        _sync(handle, NO_FOLDER_SYNC)
    finally:
        os.close(handle)


def remove_stale(folder: Path, older_than_s: float = STALE_S) -> None:
    """Delete temporary files that a killed process left in `folder`.

    Args:
        older_than_s: 0 where the caller knows (by a lock) that nobody else writes here.
    """
    for part in folder.glob(f".*{PART}*"):
        try:
            if time.time() - part.stat().st_mtime >= older_than_s:
                discard(part)
        except OSError as error:
            log.debug("%s: %s", part, error)


def write_bytes(file: Path, data: bytes, durable: bool = True) -> None:
    """Write a whole file in one step; the old one survives every failure."""
    with replacing(file, durable=durable) as part:
        part.write_bytes(data)


def write_text(file: Path, text: str, durable: bool = True) -> None:
    """Write UTF-8 text with plain line ends in one step; the old file survives every failure."""
    write_bytes(file, text.encode("utf-8"), durable)


def write_json(
    file: Path, value: Any, indent: int | None = None, durable: bool = True
) -> None:  # fmt: skip
    """Write a JSON file in one step; the old one survives every failure."""
    write_text(file, json.dumps(value, ensure_ascii=False, indent=indent), durable)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file, also of one that an editor gave a byte order mark.

    Raises:
        OSError: it is not there or cannot be read. ValueError: it is damaged.
    """
    found = json.loads(file.read_text(encoding="utf-8-sig"))
    if not isinstance(found, dict):
        raise ValueError(f"{file} holds no JSON object")
    return found


def _sync(handle: int, courtesy: set[int]) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in courtesy:
            raise
        log.debug("fsync: %s", error)


def _is_about(error: OSError, part: Path) -> bool:
    """Whether an error speaks of the temporary file, whose name means nothing to anybody."""
    if error.filename is None:
        return error.errno in NO_ROOM
    return error.filename in (str(part), os.fsencode(part))
