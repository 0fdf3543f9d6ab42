"""Pitch curves as CSV files that can be edited: `time_s,f0_hz`, one line per 10 ms.

Curves corrected elsewhere are read too: Praat writes `--undefined--` where there is no pitch,
Tony negative numbers, and spreadsheets tabs or semicolons and decimal commas.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rvc import files, texts
from rvc.errors import BadInput

FRAME_RATE = 100
HIGHEST_HZ = 4000.0
REACH_S = 0.05  # how far from a line its pitch holds
LONGEST_STEP_S = 5.0  # a usual distance of lines beyond it is in milliseconds
UNVOICED = frozenset({"", "--undefined--", "undefined", "nan", "-nan", "na", "n/a", "null", "none"})
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
FORM = "Each line is: time in seconds, Hz; such as 0.01,220.5."


class _Line(NamedTuple):
    number: int
    text: str


def write(path: Path, f0_hz: np.ndarray) -> None:
    """Save a curve (T,) of 100 values per second, 0 where unvoiced, in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{i / FRAME_RATE:.2f},{hz:.3f}\n" for i, hz in enumerate(f0_hz))
    files.write_text(path, "time_s,f0_hz\n" + "".join(lines))


def read(path: Path, frames: int) -> np.ndarray:
    """A curve of exactly `frames` values: each takes the line nearest in time, if within 50 ms.

    Lines are `time in s, Hz`, in order of time, separated by comma, semicolon, tab or blanks;
    a first line of words and lines that begin with `#` are skipped. A column alone is pitch
    every 10 ms. Negative, empty and undefined pitch is unvoiced.

    Raises:
        BadInput: not such a file, or values no voice can have.
    """
    table = _table(path)
    if not len(table):
        raise BadInput(f"{path} holds no pitch.", FORM)
    times, hz = table.T
    if not np.isfinite(table).all() or hz.max() > HIGHEST_HZ:
        raise BadInput(
            f"{path} holds a pitch outside 0 to {HIGHEST_HZ:.0f} Hz.", "0 means unvoiced."
        )
    steps = np.diff(times)
    if (steps < 0).any():
        raise BadInput(f"{path} is not in order of time.", "Sort its lines.")
    if len(steps) > 1 and not np.median(steps):
        raise BadInput(f"{path} has many lines of the same time.", FORM)
    if len(steps) > 1 and np.median(steps) >= LONGEST_STEP_S:
        raise BadInput(
            f"{path} has a line every {np.median(steps):g} s; its times seem to be milliseconds.",
            FORM,
        )
    wanted = np.arange(frames) / FRAME_RATE
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - times[before] < times[after] - wanted, before, after)
    close = np.abs(times[nearest] - wanted) <= REACH_S
    return np.where(close, np.maximum(hz[nearest], 0.0), 0.0).astype(np.float32)


def _table(path: Path) -> np.ndarray:
    """(lines, 2): time in s, Hz as the file gives it."""
    text, _ = texts.decode(path.read_bytes())
    numbered = enumerate(text.splitlines(), 1)
    lines = [_Line(n, line) for n, line in numbered if line.strip()]
    lines = [line for line in lines if not line.text.lstrip().startswith("#")]
    separator = _separator([line.text for line in lines])
    rows = [(line, _cells(line.text, separator)) for line in lines]
    if rows and not _is_number(rows[0][1][0]) and rows[0][1][0].lower() not in UNVOICED:
        rows = rows[1:]
    alone = bool(rows) and all(len(cells) == 1 for _, cells in rows)
    return np.array(
        [_row(path, line, cells, i if alone else None) for i, (line, cells) in enumerate(rows)]
    ).reshape(-1, 2)


def _separator(lines: list[str]) -> str | None:
    """What stands between the columns of most lines; None is any blanks.

    A comma separates only where neither tab nor semicolon does: there it is a decimal comma.
    """
    for separator in ("\t", ";", ","):
        if sum(separator in line for line in lines) * 2 > len(lines):
            return separator
    return None


def _cells(text: str, separator: str | None) -> list[str]:
    cells = [cell.strip().strip('"').strip() for cell in text.split(separator)]
    return cells if separator == "," else [DECIMAL_COMMA.sub(".", cell) for cell in cells]


def _row(path: Path, line: _Line, cells: list[str], alone: int | None) -> tuple[float, float]:
    """Time and pitch of a line; `alone` numbers the lines of a file that has no times."""
    try:
        time_s = float(cells[0]) if alone is None else alone / FRAME_RATE
        pitch = cells[1] if alone is None else cells[0]
        return time_s, 0.0 if pitch.lower() in UNVOICED else float(pitch)
    except (ValueError, IndexError) as error:
        raise BadInput(
            f"{path} is not a pitch file: line {line.number} reads {line.text.strip()[:60]!r}.",
            FORM,
        ) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
