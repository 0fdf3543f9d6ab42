"""Turns what the operating system says into a sentence: which file, what is wrong, what to do."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from rvc import files
from rvc.errors import BadInput, Busy, DownloadFailed, StorageFailed, VoiceError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
LITTLE_BYTES = 1 << 20
WINDOWS_PATH_LIMIT = 259  # characters, where long paths are not enabled
TOO_LONG = 206  # Windows: ERROR_FILENAME_EXCED_RANGE
SPACE_HINT = "Free some space and run it again."
LONG_HINT = "Use a shorter name, or a folder nearer to the top."


def explain(error: OSError) -> VoiceError:
    """The error of the documented kind that an OSError stands for.

    Connections are not disks, reading is not writing, and a full folder for temporary files is
    named as what it is.
    """
    where = _name(error)
    if isinstance(error, (ConnectionError, TimeoutError)) or _of_a_connection(error):
        return DownloadFailed(
            f"A connection failed: {error}.", "Check the network and try again, or use --offline."
        )
    if isinstance(error, files.InUse):
        return Busy(f"{where} is open in another program.", "Close it there and try again.")
    if error.errno in NO_SPACE:
        return _no_space(where)
    if _too_long(error):
        return BadInput(f"The path {where} is too long for this system.", LONG_HINT)
    if error.errno == errno.EROFS:
        return _not_writable(where)
    if isinstance(error, PermissionError):
        return _refused(where)
    if isinstance(error, FileNotFoundError):
        return BadInput(f"{where} does not exist.", "Check the path.")
    if isinstance(error, NotADirectoryError):
        return StorageFailed(
            f"{where} cannot be used: a file is in the place of a folder.",
            "Move that file out of the way, or choose another path.",
        )
    if isinstance(error, IsADirectoryError):
        return StorageFailed(f"{where} is a folder, not a file.", "Add a file name to the path.")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return StorageFailed(
            "Too many files are open at once.", "Close other programs, or raise `ulimit -n`."
        )
    return StorageFailed(f"{where}: {error.strerror or error}.", "Check the disk and the path.")


def _name(error: OSError) -> str:
    if error.filename is None:
        return "the disk"
    return os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a pipe"


def _of_a_connection(error: OSError) -> bool:
    """Errors of sockets, TLS and web libraries are OSErrors, too, with no file to speak of."""
    module = type(error).__module__.partition(".")[0]
    return module in ("requests", "urllib3", "urllib", "socket", "ssl", "http", "aiohttp")


def _no_space(where: str) -> StorageFailed:
    scratch = Path(tempfile.gettempdir())
    try:
        full = shutil.disk_usage(scratch).free < LITTLE_BYTES
    except OSError:
        full = False
    if full and (where == "the disk" or Path(where).is_relative_to(scratch)):
        return StorageFailed(
            f"No space left in the folder for temporary files, {scratch}.",
            "Free some space there, or set TMPDIR to a folder with more room.",
        )
    return StorageFailed(f"No space left while writing {where}.", SPACE_HINT)


def _too_long(error: OSError) -> bool:
    if error.errno == errno.ENAMETOOLONG or getattr(error, "winerror", None) == TOO_LONG:
        return True
    missing = isinstance(error, FileNotFoundError)
    return files.WINDOWS and missing and len(_name(error)) > WINDOWS_PATH_LIMIT


def _refused(where: str) -> VoiceError:
    """Permission denied: to look into a folder, to read, or to write, whichever it must have been.

    What exists and may be written but not read was to be read, and the other way round.
    """
    path = Path(where)
    for folder in reversed(path.parents):
        if os.path.isdir(folder) and not os.access(folder, os.X_OK):
            return BadInput(f"Not allowed to look into {folder}.", "Change its permissions.")
    if os.path.exists(path) and not os.access(path, os.R_OK):
        return BadInput(f"Not allowed to read {where}.", "Change its permissions, or copy it.")
    return _not_writable(where)


def _not_writable(where: str) -> StorageFailed:
    return StorageFailed(f"Not allowed to write {where}.", "Choose a folder you can write to.")
