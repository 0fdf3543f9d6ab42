"""The vectors of an index as plain arrays in a file: a head of 64 bytes, then numbers alone."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

WIDEST, MOST_CELLS = 8192, 1 << 22
LIMIT_BYTES = 4 << 30  # of an index file, and of the vectors in it
REFUSED, FULL = 3, 4  # exit codes of a reader: its stderr says why; the disk is full
LARGEST = 1e6  # of a number in it; features of speech are around 1
MARK = b"rvctab01"
HEAD = struct.Struct("<8sQQQQI20x")  # mark, cells, rows, width, probes, checksum


class Damaged(ValueError):
    """A file that does not hold what it has to; the text says what, not which file."""


@dataclass(frozen=True)
class Table:
    """The vectors of an index, sorted by cell.

    Attributes:
        centres: (cells, W) float32; one cell around the origin for a Flat index.
        bounds: (cells + 1,) int64; cell i holds rows bounds[i] .. bounds[i + 1].
        vectors: (N, W) float32.
        probes: how many of the nearest cells a search looks into.
    """

    centres: np.ndarray
    bounds: np.ndarray
    vectors: np.ndarray
    probes: int = 1


def single(vectors: np.ndarray) -> Table:
    """A table of one cell, which holds all `vectors` (N, W)."""
    return Table(np.zeros((1, vectors.shape[1]), np.float32), np.array([0, len(vectors)]), vectors)


def write(table: Table, stream: BinaryIO) -> None:
    """Write a table as plain arrays."""
    kinds = (("<i8", table.bounds), ("<f4", table.centres), ("<f4", table.vectors))
    arrays = [np.ascontiguousarray(values, kind) for kind, values in kinds]
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(array.data, checksum)
    rows, width = table.vectors.shape
    stream.write(HEAD.pack(MARK, len(table.centres), rows, width, table.probes, checksum))
    for array in arrays:
        stream.write(array.data)


def read(file: Path, mapped: bool = False) -> Table:
    """Load a table and prove it whole; `mapped` leaves it in the file until it is looked at.

    Raises:
        Damaged: anything but what `write` wrote, or numbers that are none.
    """
    with file.open("rb") as stream:
        head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        raise Damaged("it ends too early")
    mark, cells, rows, width, probes, checksum = HEAD.unpack(head)
    if mark != MARK or not (0 < cells <= MOST_CELLS and 0 < width <= WIDEST):
        raise Damaged(f"{cells} cells of width {width}")
    if not 0 < probes <= cells:
        raise Damaged(f"{probes} of {cells} cells are to be looked into")
    middle, end = 8 * (cells + 1), 8 * (cells + 1) + 4 * width * cells
    if file.stat().st_size != HEAD.size + end + 4 * width * rows:
        raise Damaged(f"{rows} rows of width {width} in {file.stat().st_size} bytes")
    whole = np.memmap(file, np.uint8, "r") if mapped else np.fromfile(file, np.uint8)
    body = np.asarray(whole)[HEAD.size :]
    if zlib.crc32(body.data) != checksum:
        raise Damaged("its checksum is another")
    bounds = body[:middle].view("<i8")
    centres = body[middle:end].view("<f4").reshape(cells, width)
    table = Table(centres, bounds, body[end:].view("<f4").reshape(rows, width), probes)
    _check(table)
    return table


def _check(table: Table) -> None:
    """What a search relies on.

    Raises:
        Damaged: cells that are not in order, numbers that are none or would overflow.
    """
    bounds = table.bounds
    if bounds[0] != 0 or bounds[-1] != len(table.vectors) or (np.diff(bounds) < 0).any():
        raise Damaged("its cells are not in order")
    for values in (table.centres, table.vectors):
        if values.size and not (values.min() > -LARGEST and values.max() < LARGEST):
            raise Damaged("it holds values that no features have")
