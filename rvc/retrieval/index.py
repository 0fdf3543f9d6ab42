"""Retrieval: an index of a voice's own features, and their nearest mixed into what is converted."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rvc import files
from rvc.errors import BadInput, Mismatch

if TYPE_CHECKING:
    from rvc.retrieval.table import Table

Algorithm = Literal["Auto", "Faiss", "KMeans"]
MANY_ROWS = 200_000  # above this, features are condensed
CENTRES = 10_000
POINTS_PER_CELL = 39  # faiss wants at least this many to place a cell
SEARCH_BYTES = 256 << 20  # held at a time while distances are compared
BYTES_PER_PAIR = 16  # of a query and a candidate: two distances and a number
SAMPLED_PER_CELL = 24  # rows used to place it; more is slower and finds no better neighbours


def cells(rows: int) -> int:
    """How many cells an index of `rows` rows has."""
    return max(1, min(int(16 * math.sqrt(rows)), rows // POINTS_PER_CELL))


def build(
    features: np.ndarray, algorithm: Algorithm = "Auto", cores: int = 1, seed: int = 1234
) -> Any:
    """An IVF-Flat faiss index of `features` (N, W) float32, N >= 1, any W.

    Auto condenses more than 200,000 rows to 10,000 k-means centres, KMeans does so whenever there
    are more than 10,000 rows, Faiss never does. The same rows and seed give the same index.

    Raises:
        BadInput: no rows, or values that are not finite.
    """
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    import faiss

    features = np.ascontiguousarray(features, np.float32)
    if features.ndim != 2 or not features.size:
        raise BadInput("There are no features to index.", "Run extract first.")
    if not np.isfinite(features).all():
        raise BadInput("The features hold values that are not numbers.", "Run extract again.")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(1, cores))
    try:
        many = len(features) > (MANY_ROWS if algorithm == "Auto" else CENTRES)
        if many and algorithm != "Faiss":
            features = condense(features, CENTRES, seed)
        index: Any = faiss.index_factory(features.shape[1], f"IVF{cells(len(features))},Flat")
        index.cp.seed = seed
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = SAMPLED_PER_CELL
        index.train(features)
        for start in range(0, len(features), 8192):
            index.add(features[start : start + 8192])
        return index
    finally:
        faiss.omp_set_num_threads(before)


def condense(features: np.ndarray, centres: int, seed: int) -> np.ndarray:
    """(N, W) -> (centres, W): the k-means centres, faiss's own, repeatable."""
    import faiss

    means = faiss.Kmeans(
        features.shape[1],
        centres,
        niter=6,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=20,
    )
    means.train(features)
    return np.ascontiguousarray(means.centroids, np.float32)


def write(index: Any, file: Path) -> None:
    """Save a faiss index in one step: readers see the old file or the whole new one.

    Raises:
        OSError: the system's own, with the file; faiss itself would turn it into words.
    """
    import faiss

    try:
        with files.replacing(file) as part, part.open("wb") as out:
            faiss.write_index(index, faiss.PyCallbackIOWriter(out.write))  # type: ignore[attr-defined]
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error


class Retriever:
    """Finds the nearest of a voice's features and mixes them in. Safe to share between threads.

    Args:
        table: vectors by cell, from `reader.read`.
        name: file named in errors.
    """

    def __init__(self, table: Table, name: str = "The index") -> None:
        self.table = table
        self.name = name
        self.width = int(table.vectors.shape[1])
        self.half_squares = 0.5 * np.einsum("cw,cw->c", table.centres, table.centres)

    @classmethod
    def load(cls, file: Path) -> Retriever:
        """Open a .index file. Raises what `reader.read` raises."""
        from rvc.retrieval import reader  # building an index reads none

        return cls(reader.read(Path(file)), str(file))

    def __len__(self) -> int:
        return len(self.table.vectors)

    def blend(self, features: np.ndarray, rate: float, k: int = 8) -> np.ndarray:
        """Mix the `k` nearest vectors into features (T, W) by `rate` (0..1) -> (T, W) float32.

        Each is weighted by 1 / distance^4; one that is hit exactly counts alone. Rows without a
        vector in reach stay as they are.

        Raises:
            Mismatch: the features have another width than the index.
        """
        if features.shape[1] != self.width:
            raise Mismatch(
                f"{self.name} holds features of width {self.width}, not {features.shape[1]}.",
                "Use the index and the embedder that belong to the voice.",
            )
        out = np.array(features, np.float32)
        if rate <= 0 or not len(self):
            return out
        for rows, candidates in self._cells_of(out):
            out[rows] = _mix(out[rows], candidates, rate, k)
        return out

    def _cells_of(self, queries: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (row numbers, candidate vectors (n, W)) for queries that look into the same."""
        table = self.table
        closeness = queries @ table.centres.T - self.half_squares
        if table.probes == 1:
            cell = closeness.argmax(axis=1)
            order = np.argsort(cell, kind="stable")
            starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
            for rows in np.split(order, starts[1:]):
                first, last = table.bounds[cell[rows[0]]], table.bounds[cell[rows[0]] + 1]
                yield rows, table.vectors[first:last]
            return
        nearest = np.argpartition(-closeness, table.probes - 1, axis=1)[:, : table.probes]
        for row, found in enumerate(nearest):
            parts = [table.vectors[table.bounds[c] : table.bounds[c + 1]] for c in found]
            yield np.array([row]), np.concatenate(parts)


def _mix(queries: np.ndarray, candidates: np.ndarray, rate: float, k: int) -> np.ndarray:
    """Queries (t, W) blended with the nearest `k` of candidates (n, W)."""
    k = min(k, len(candidates))
    if k == 0:
        return queries
    vectors = candidates[_nearest(queries, candidates, k)]  # (t, k, W)
    square = np.square(vectors - queries[:, None]).sum(axis=2, dtype=np.float64)
    smallest = square.min(axis=1, keepdims=True)
    exact = square == 0
    relative = smallest / np.where(exact, 1.0, square)
    weight = np.where(exact.any(axis=1, keepdims=True), exact, relative**2)
    weight = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    mixed = rate * np.einsum("tk,tkw->tw", weight, vectors) + (1 - rate) * queries
    return np.asarray(mixed, np.float32)


def _nearest(queries: np.ndarray, candidates: np.ndarray, k: int) -> np.ndarray:
    """Numbers (t, k) of the candidates (n, W) nearest to queries (t, W), in no order.

    Distances are rough (expanded squares), and never more of them at a time than SEARCH_BYTES hold.
    """
    step = max(k, SEARCH_BYTES // (BYTES_PER_PAIR * len(queries)))
    best: np.ndarray = np.zeros((len(queries), 0), np.int64)
    rough: np.ndarray = np.zeros((len(queries), 0), np.float32)
    for start in range(0, len(candidates), step):
        part = candidates[start : start + step]
        found = 0.5 * np.einsum("nw,nw->n", part, part) - queries @ part.T
        numbers = np.argpartition(found, min(k, len(part)) - 1, axis=1)[:, :k]
        if not start:
            best, rough = numbers, np.take_along_axis(found, numbers, axis=1)
            continue
        best = np.concatenate([best, numbers + start], axis=1)
        rough = np.concatenate([rough, np.take_along_axis(found, numbers, axis=1)], axis=1)
        kept = np.argpartition(rough, k - 1, axis=1)[:, :k]
        best, rough = (np.take_along_axis(values, kept, axis=1) for values in (best, rough))
    return best
