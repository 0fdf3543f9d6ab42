"""The recordings of this machine as the page lists them: length, level, a verdict; away and back.

A list of thousands must not be decoded to be shown, so that listing reads folders only, and what
a recording sounds like is asked for row by row and remembered while the file stays as it is.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from rvc.audio.formats import is_sound_name
from rvc.config import kit, named, paths
from rvc.errors import BadInput, NotFound
from rvc.server.fence import Fence, fresh

MOST_ENTRIES = 20_000  # of a folder somebody typed, such as /
MONTH_S = 30 * 24 * 3600
POOR_SNR_DB = 20.0
COLUMNS, PEAKS_HZ = 400, 200  # of the picture of a recording; peaks are kept per second until then
QUIET_DBFS = -45.0
CLIPPED_SHARE = 5e-4


class Recordings:
    """Recordings that lie within a server's fence."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence

    def listing(self, folder: str = "", limit: int = 500) -> dict[str, Any]:
        """The newest recordings of a folder and those below it; "" means assets/audios.

        Returns:
            "recordings": path, name, size in bytes and time of change of the newest `limit`;
            "count": of all; "more": whether the folder holds more than anybody should walk through.

        Raises:
            NotFound: no folder that the server may tell of.
        """
        root = Path(folder) if folder else paths().audios
        if not self.fence.may_read(root) or (folder and not _is_folder(root)):
            raise NotFound(f"There is no folder {folder!r}.", "Choose one of the list.")
        found, more = _walk(root)
        found.sort(key=lambda row: -row["changed_s"])
        if not folder:
            found += [_row(f) for f in sorted(kit().glob("*/sample.flac"))]
        return {"recordings": found[:limit], "count": len(found), "more": more}

    def facts(self, path: str) -> dict[str, Any]:
        """Length, level and verdict of one recording, see `measured`.

        Raises:
            NotFound: no file that the server may tell of.
        """
        file = Path(path)
        try:
            if not self._tells_of(file) or not file.is_file():
                raise FileNotFoundError(path)
            stat = file.stat()
        except (OSError, ValueError):
            raise NotFound(f"There is no recording {path!r}.", "Refresh the list.") from None
        return measured(file, stat.st_mtime_ns, stat.st_size)

    def length(self, folder: str) -> dict[str, float]:
        """Seconds of sound in a folder, as far as the headers of its recordings say.

        Raises:
            NotFound: as `listing`.
        """
        rows = self.listing(folder, MOST_ENTRIES)["recordings"]
        return {"seconds": sum(_seconds(row["path"], row["changed_s"]) for row in rows)}

    def _tells_of(self, file: Path) -> bool:
        return self.fence.may_read(file) or file.resolve().is_relative_to(kit().resolve())

    def remove(self, path: str) -> dict[str, str]:
        """Take a recording of ours away, so that `restore` can bring it back for a month.

        Raises:
            BadInput: it lies elsewhere than among the program's recordings and datasets.
            NotFound: there is none.
        """
        file = Path(path)
        home = next((r for r in (paths().audios, paths().datasets) if file.is_relative_to(r)), None)
        if home is None or not file.resolve().is_relative_to(home.resolve()):
            raise BadInput(
                f"{file.name} lies in a folder of yours, which is left as it is.",
                "Remove it there, or drop the others as a set of their own.",
            )
        if not file.is_file() or not is_sound_name(file):
            raise NotFound(f"There is no recording {file.name!r}.", "Refresh the list.")
        _forget_old()
        token = secrets.token_hex(8)
        kept = _bin() / token
        kept.mkdir(parents=True)
        (kept / "place.txt").write_text(str(file), encoding="utf-8")
        shutil.move(file, kept / file.name)
        return {"token": token, "name": file.name}

    def restore(self, token: str) -> dict[str, str]:
        """Bring a removed recording back to its place, under a free name if that is taken.

        Raises:
            NotFound: nothing of that token is kept.
        """
        kept = named(_bin(), token)
        place = kept / "place.txt"
        if not place.is_file():
            raise NotFound("It is not kept any more.", "Removed recordings are kept for a month.")
        home = Path(place.read_text(encoding="utf-8"))
        file = fresh(home.parent, home.name)
        shutil.move(kept / home.name, file)
        shutil.rmtree(kept)
        return {"path": str(file)}


@lru_cache(maxsize=4096)
def measured(file: Path, changed_ns: int, size: int) -> dict[str, Any]:
    """What a recording sounds like; remembered as long as the file stays the same.

    Returns:
        "seconds", "level_dbfs" (while there is sound), "snr_db", and "verdict": one of good,
        silent, quiet, clipped, noisy, unreadable; with "cause", a sentence, for the last.
        "peaks": the highest sample, 0..1, of each of COLUMNS equal parts, to be drawn.
    """
    import numpy as np

    from rvc.audio import dsp, io, slicer
    from rvc.dataset.report.measure import Measured

    found, flat, levels, peaks = Measured(file.name), 0, [], []
    try:
        for block in io.blocks(file, block_s=30.0):
            found.seconds += len(block.wave) / block.rate
            found.peak = max(found.peak, dsp.peak(block.wave))
            flat += int((abs(block.wave) >= 0.9999).sum())
            levels.append(slicer.level_db(block.wave, block.rate)[0][:-1])
            found.rate = block.rate
            edges = np.arange(0, len(block.wave), max(1, block.rate // PEAKS_HZ))
            peaks.append(np.maximum.reduceat(np.abs(block.wave), edges))
    except BadInput as error:
        return {"verdict": "unreadable", "cause": error.message.replace(str(file), file.name)}
    except OSError as error:
        return {"verdict": "unreadable", "cause": f"{file.name}: {error.strerror or error}."}
    found.levels_db, drawn = np.concatenate(levels), np.concatenate(peaks)
    columns = np.linspace(0, len(drawn), COLUMNS, endpoint=False).astype(int)
    found.clipped = flat / max(1.0, found.seconds * found.rate)
    return {
        "seconds": round(found.seconds, 3),
        "level_dbfs": round(found.speech_db, 1),
        "snr_db": round(found.snr_db, 1),
        "verdict": _verdict(found.peak, found.clipped, found.speech_db, found.snr_db),
        "peaks": [round(float(p), 3) for p in np.maximum.reduceat(drawn, columns)],
    }


@lru_cache(maxsize=MOST_ENTRIES)
def _seconds(path: str, changed_s: float) -> float:
    from rvc.audio import io

    try:
        return io.info(path).seconds
    except (BadInput, OSError):
        return 0.0


def _verdict(peak: float, clipped: float, level_dbfs: float, snr_db: float) -> str:
    if peak <= 1e-4:
        return "silent"
    if clipped > CLIPPED_SHARE:
        return "clipped"
    if level_dbfs < QUIET_DBFS:
        return "quiet"
    return "noisy" if snr_db < POOR_SNR_DB else "good"


def _walk(root: Path) -> tuple[list[dict[str, Any]], bool]:
    """(rows, whether it was given up as too large)."""
    found: list[dict[str, Any]] = []
    seen = 0
    for top, folders, names in os.walk(root):  # what cannot be read is left out
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        seen += len(folders) + len(names)
        found += _rows(Path(top), names)
        if seen > MOST_ENTRIES:
            return found, True
    return found, False


def _rows(folder: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    for name in filter(is_sound_name, names):
        with suppress(OSError):  # a link to nowhere
            yield _row(folder / name)


def _row(file: Path) -> dict[str, Any]:
    stat = file.stat()
    return {
        "path": str(file),
        "name": file.name,
        "size": stat.st_size,
        "changed_s": stat.st_mtime,
    }


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a NUL byte, a name too long
        return False


def _bin() -> Path:
    return paths().cache / "removed"


def _forget_old() -> None:
    for old in _bin().glob("*"):
        if time.time() - old.stat().st_mtime > MONTH_S:
            shutil.rmtree(old, ignore_errors=True)
