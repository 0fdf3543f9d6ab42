"""Reads and writes faiss index files as plain data, checked byte by byte, without faiss itself.

Loading a stranger's file with faiss trusts its every count, in C++. The two kinds that voices come
with (IVF-Flat and Flat, L2 distance) are simple tables, read here within the bounds of the file by
a hundred lines of Python that ask for no memory the file does not fill. Even so it is only read
in a process of its own, `rvc.retrieval.reader_child`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rvc.retrieval.table import MOST_CELLS, WIDEST, Damaged, Table, single

L2 = 1
FLAT, CELLS = b"IxF2", b"IwFl"
HEAD_BYTES = 57  # mark, width, rows, 16 unused bytes, trained, metric, cells, probes, second mark


def plain(head: bytes) -> bool:
    """Whether a file that begins with these 57 bytes is of a kind that `read` knows."""
    flat = head[:4] == FLAT or (head[:4] == CELLS and head[-4:] == FLAT)
    return flat and head[33:37] == struct.pack("<i", L2)


def read(data: BinaryIO, size: int) -> Table:
    """The vectors of an IVF-Flat or Flat index of `size` bytes.

    Raises:
        Damaged: truncated, of another kind, or with counts that do not fit.
    """
    return _Reader(data, size).table()


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

    def __init__(self, data: BinaryIO, size: int) -> None:
        self.data, self.left = data, size

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise Damaged("it ends too early")
        self.left -= count
        found = self.data.read(count)
        if len(found) != count:
            raise Damaged("it became shorter")
        return found

    def number(self, code: str) -> int:
        out: int = struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]
        return out

    def numbers(self, dtype: str) -> np.ndarray:
        """An array with its length before it."""
        kind = np.dtype(dtype)
        count = self.number("Q")
        if count * kind.itemsize > self.left:
            raise Damaged("it ends too early")
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
            raise Damaged(f"{rows} rows of width {width}")
        if metric != L2:
            raise Damaged("it does not measure L2 distance")
        return width, rows

    def table(self) -> Table:
        kind = self.take(4)
        if kind not in (FLAT, CELLS):
            raise Damaged("it is no IVF-Flat or Flat index of faiss")
        return single(self.flat()) if kind == FLAT else self.inverted()

    def flat(self) -> np.ndarray:
        width, rows = self.header()
        if self.number("Q") != rows * width:
            raise Damaged("its table has another size than it says")
        vectors = np.empty((rows, width), np.float32)
        self.into(vectors)
        return vectors

    def inverted(self) -> Table:
        width, rows = self.header()
        cells, probes = self.number("Q"), self.number("Q")
        if not 0 < cells <= MOST_CELLS or self.take(4) != b"IxF2":
            raise Damaged(f"{cells} cells")
        centres = self.flat()
        if centres.shape != (cells, width):
            raise Damaged(f"its centres have the shape {centres.shape}")
        if self.number("B") == 2:  # a hash table of (row, place) follows
            self.numbers("<i8")
            self.numbers("<i8")
        else:
            self.numbers("<i8")
        sizes = self.cell_sizes(cells, width)
        if sizes.sum() != rows:
            raise Damaged(f"its cells hold {sizes.sum()} of {rows} rows")
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        vectors = np.empty((rows, width), np.float32)
        for first, last in zip(bounds, bounds[1:], strict=False):
            self.into(vectors[first:last])
            self.take(8 * int(last - first))  # row numbers, of no use here
        return Table(centres, bounds, vectors, max(1, min(probes, cells)))

    def cell_sizes(self, cells: int, width: int) -> np.ndarray:
        """Rows in each cell (cells,), from either of faiss's two spellings."""
        if self.take(4) != b"ilar" or (self.number("Q"), self.number("Q")) != (cells, 4 * width):
            raise Damaged("its cells are of an unknown kind")
        spelling, listed = self.take(4), self.numbers("<u8")
        sizes = np.zeros(cells, np.uint64)
        if spelling == b"full" and len(listed) == cells:
            sizes = listed
        elif spelling == b"sprs" and len(listed) % 2 == 0 and (listed[::2] < cells).all():
            sizes[listed[::2]] = listed[1::2]
        else:
            raise Damaged("its cells are of an unknown kind")
        if (sizes > self.left // (4 * width)).any():  # no product: it could overflow
            raise Damaged("a cell is larger than the file")
        return sizes.astype(np.int64)
