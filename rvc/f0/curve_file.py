"""Pitch curves as CSV files that can be edited: `time_s,f0_hz`, one line per 10 ms."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from rvc import files
from rvc.errors import BadInput

FRAME_RATE = 100
HIGHEST_HZ = 4000.0


def write(path: Path, f0_hz: np.ndarray) -> None:
    """Save a curve (T,) of 100 values per second, 0 where unvoiced, in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{i / FRAME_RATE:.2f},{hz:.3f}\n" for i, hz in enumerate(f0_hz))
    files.write_text(path, "time_s,f0_hz\n" + "".join(lines))


def read(path: Path, frames: int) -> np.ndarray:
    """A curve of exactly `frames` values: each takes the line nearest in time, if within 50 ms.

    Lines are `time in s, Hz`, in order of time; a first line of words is skipped.

    Raises:
        BadInput: not such a file, or values no voice can have.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        if rows and not _number(rows[0][0]):
            rows = rows[1:]
        table = np.array([[float(row[0]), float(row[1])] for row in rows])
    except (ValueError, IndexError, csv.Error, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} is not a pitch file: {error}.", "Each line is: time in seconds, Hz."
        ) from error
    if not len(table):
        raise BadInput(f"{path} holds no pitch.", "Each line is: time in seconds, Hz.")
    times, hz = table.T
    if not np.isfinite(table).all() or hz.min() < 0 or hz.max() > HIGHEST_HZ:
        raise BadInput(
            f"{path} holds a pitch outside 0 to {HIGHEST_HZ:.0f} Hz.", "0 means unvoiced."
        )
    if (np.diff(times) < 0).any():
        raise BadInput(f"{path} is not in order of time.", "Sort its lines.")
    wanted = np.arange(frames) / FRAME_RATE
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - times[before] < times[after] - wanted, before, after)
    close = np.abs(times[nearest] - wanted) <= 0.05
    return np.where(close, hz[nearest], 0.0).astype(np.float32)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
