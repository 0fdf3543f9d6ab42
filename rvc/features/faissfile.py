"""Reads and writes faiss index files as plain data, checked byte by byte, without faiss itself.

Loading a stranger's file with faiss trusts its every count, in C++. The two kinds that voices come
with (IVF-Flat and Flat, L2 distance) are simple tables, read here within the bounds of the file by
a hundred lines of Python that ask for no memory the file does not fill; that is why they need no
process of their own. The tests put hostile numbers into every field to prove it. All other kinds
are left to `rvc.features.foreign`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rvc.errors import BadInput

WIDEST, MOST_CELLS = 8192, 1 << 22
L2 = 1


@dataclass(frozen=True)
class Table:
    """The vectors of an index, sorted by cell.

    Attributes:
        centres: (cells, W) float32; one cell around the origin for a Flat index.
        bounds: (cells + 1,) int64; cell i holds rows bounds[i] .. bounds[i + 1].
        vectors: (N, W) float32, finite.
        probes: how many of the nearest cells a search looks into.
    """

    centres: np.ndarray
    bounds: np.ndarray
    vectors: np.ndarray
    probes: int = 1


class Unknown(BadInput):
    """A faiss index of another kind; only faiss can tell what is in it."""


def read(file: Path) -> Table:
    """Load an IVF-Flat or Flat index.

    Raises:
        BadInput: missing, truncated, damaged, or with numbers that are none.
        Unknown: another kind of index.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as data:
            table = _Reader(file, data, size).table()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadInput(f"The index {file} does not exist.", "Check --index-path.") from error
    if not (np.isfinite(table.vectors).all() and np.isfinite(table.centres).all()):
        raise BadInput(f"The index {file} holds values that are not numbers.", "Build it again.")
    return table


def write(table: Table, file: Path) -> None:
    """Write a table as an IVF-Flat index that faiss, and every other program, can read."""
    rows, width = table.vectors.shape
    cells = len(table.centres)

    def header(count: int) -> bytes:
        return struct.pack("<iqqqBi", width, count, 1 << 20, 1 << 20, 1, L2)

    with file.open("wb") as out:
        out.write(b"IwFl" + header(rows) + struct.pack("<QQ", cells, table.probes))
        out.write(b"IxF2" + header(cells) + struct.pack("<Q", cells * width))
        out.write(np.ascontiguousarray(table.centres, "<f4").tobytes())
        out.write(struct.pack("<BQ", 0, 0))  # no table of places
        out.write(b"ilar" + struct.pack("<QQ", cells, 4 * width) + b"full")
        out.write(struct.pack("<Q", cells) + np.diff(table.bounds).astype("<u8").tobytes())
        for first, last in zip(table.bounds, table.bounds[1:], strict=False):
            out.write(np.ascontiguousarray(table.vectors[first:last], "<f4").tobytes())
            out.write(np.arange(first, last, dtype="<i8").tobytes())


class _Reader:
    """A cursor over the file that never asks for more than the file has."""

    def __init__(self, file: Path, data: BinaryIO, size: int) -> None:
        self.file, self.data, self.left = file, data, size

    def bad(self, what: str) -> BadInput:
        return BadInput(
            f"The index {self.file} is damaged: {what}.", "Build it again with `core.py index`."
        )

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise self.bad("it ends too early")
        self.left -= count
        found = self.data.read(count)
        if len(found) != count:
            raise self.bad("it became shorter")
        return found

    def number(self, code: str) -> int:
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def numbers(self, dtype: str) -> np.ndarray:
        """An array with its length before it."""
        kind = np.dtype(dtype)
        count = self.number("Q")
        if count * kind.itemsize > self.left:
            raise self.bad("it ends too early")
        return np.frombuffer(self.take(count * kind.itemsize), kind)

    def into(self, target: np.ndarray) -> None:
        """Fill an array from the file."""
        raw = np.frombuffer(self.take(target.nbytes), target.dtype)
        target[...] = raw.reshape(target.shape)

    def header(self) -> tuple[int, int]:
        """(width, rows) of the index that starts here."""
        width, rows = self.number("i"), self.number("q")
        self.take(16)
        trained, metric = self.number("B"), self.number("i")
        if not 0 < width <= WIDEST or rows < 0 or rows * width * 4 > self.left or not trained:
            raise self.bad(f"{rows} rows of width {width}")
        if metric != L2:
            raise Unknown(f"The index {self.file} does not measure L2 distance.", "Build it again.")
        return width, rows

    def table(self) -> Table:
        kind = self.take(4)
        if kind == b"IxF2":
            vectors = self.flat()
            return Table(np.zeros((1, vectors.shape[1]), np.float32), np.array([0, len(vectors)]),
                         vectors)  # fmt: skip
        if kind != b"IwFl":
            raise Unknown(
                f"The index {self.file} is not an IVF-Flat or Flat index of faiss.",
                "Build it again with `core.py index`.",
            )
        return self.inverted()

    def flat(self) -> np.ndarray:
        width, rows = self.header()
        if self.number("Q") != rows * width:
            raise self.bad("its table has another size than it says")
        vectors = np.empty((rows, width), np.float32)
        self.into(vectors)
        return vectors

    def inverted(self) -> Table:
        width, rows = self.header()
        cells, probes = self.number("Q"), self.number("Q")
        if not 0 < cells <= MOST_CELLS or self.take(4) != b"IxF2":
            raise self.bad(f"{cells} cells")
        centres = self.flat()
        if centres.shape != (cells, width):
            raise self.bad(f"its centres have the shape {centres.shape}")
        if self.number("B") == 2:  # a hash table of (row, place) follows
            self.numbers("<i8")
            self.numbers("<i8")
        else:
            self.numbers("<i8")
        sizes = self.cell_sizes(cells, width)
        if sizes.sum() != rows:
            raise self.bad(f"its cells hold {sizes.sum()} of {rows} rows")
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        vectors = np.empty((rows, width), np.float32)
        for first, last in zip(bounds, bounds[1:], strict=False):
            self.into(vectors[first:last])
            self.take(8 * int(last - first))  # row numbers, of no use here
        return Table(centres, bounds, vectors, max(1, min(probes, cells)))

    def cell_sizes(self, cells: int, width: int) -> np.ndarray:
        """Rows in each cell (cells,), from either of faiss's two spellings."""
        if self.take(4) != b"ilar" or (self.number("Q"), self.number("Q")) != (cells, 4 * width):
            raise self.bad("its cells are of an unknown kind")
        spelling, listed = self.take(4), self.numbers("<u8")
        sizes = np.zeros(cells, np.uint64)
        if spelling == b"full" and len(listed) == cells:
            sizes = listed
        elif spelling == b"sprs" and len(listed) % 2 == 0 and (listed[::2] < cells).all():
            sizes[listed[::2]] = listed[1::2]
        else:
            raise self.bad("its cells are of an unknown kind")
        if (sizes > self.left // (4 * width)).any():  # no product: it could overflow
            raise self.bad("a cell is larger than the file")
        return sizes.astype(np.int64)
