"""The retrieval index: any size, any width, exact hits, damaged files."""

from __future__ import annotations

import contextlib
import errno
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from rvc.errors import BadInput, Mismatch
from rvc.retrieval import faissfile, index, table
from rvc.retrieval.table import Damaged, Table
from tests import disk

pytestmark = pytest.mark.usefixtures("home")  # what is read is kept there


def rows(count: int, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def saved(tmp_path: Path, features: np.ndarray, **options: Any) -> Path:
    file = tmp_path / "v.index"
    index.write(index.build(features, **options), file)
    return file


def parsed(file: Path) -> Table:
    """What the parser of the child makes of a file, here in this process."""
    with file.open("rb") as stream:
        return faissfile.read(stream, file.stat().st_size)


@pytest.mark.parametrize("count", [1, 2, 38, 39, 78, 500])
@pytest.mark.parametrize("width", [1, 17, 256, 768])
def test_any_number_of_rows_and_any_width(tmp_path: Path, count: int, width: int) -> None:
    features = rows(count, width)
    retriever = index.Retriever.load(saved(tmp_path, features))
    assert (len(retriever), retriever.width) == (count, width)
    out = retriever.blend(rows(5, width, seed=1), 0.5)
    assert out.shape == (5, width)
    assert np.isfinite(out).all()


def test_number_of_cells() -> None:
    assert [index.cells(n) for n in (1, 38, 39, 31476, 160000)] == [1, 1, 1, 807, 4102]


def test_an_exact_hit_gives_that_vector_and_no_nan(tmp_path: Path) -> None:
    features = rows(400)
    retriever = index.Retriever.load(saved(tmp_path, features))
    assert np.allclose(retriever.blend(features[:50], 1.0), features[:50], atol=1e-6)


def test_the_same_vector_many_times_is_no_nan(tmp_path: Path) -> None:
    features = np.ones((100, 8), np.float32)
    retriever = index.Retriever.load(saved(tmp_path, features))
    assert np.allclose(retriever.blend(features[:3], 0.7), 1.0)


def test_blend_is_what_faiss_and_the_formula_give(tmp_path: Path) -> None:
    features, queries = rows(2000), rows(60, seed=2)
    built = index.build(features)
    file = tmp_path / "v.index"
    index.write(built, file)
    square, ids = built.search(queries, 8)
    weight = np.where(ids >= 0, 1 / square.astype(np.float64) ** 2, 0)
    weight /= weight.sum(axis=1, keepdims=True)
    mixed = np.einsum("tk,tkw->tw", weight, features[ids])
    expected = 0.3 * mixed + 0.7 * queries
    assert np.abs(index.Retriever.load(file).blend(queries, 0.3) - expected).max() < 1e-4


@pytest.mark.parametrize("probes", [2, 7])
def test_an_index_that_asks_for_more_cells_gets_them(tmp_path: Path, probes: int) -> None:
    features, queries = rows(2000), rows(20, seed=2)
    built = index.build(features)
    built.nprobe = probes
    file = tmp_path / "v.index"
    index.write(built, file)
    _, ids = built.search(queries, 1)
    assert np.allclose(index.Retriever.load(file).blend(queries, 1.0, k=1), features[ids[:, 0]])


def test_rate_zero_changes_nothing_and_rate_one_leaves_nothing(tmp_path: Path) -> None:
    features = rows(1)
    retriever = index.Retriever.load(saved(tmp_path, features))
    queries = rows(4, seed=3)
    assert np.array_equal(retriever.blend(queries, 0.0), queries)
    assert np.allclose(retriever.blend(queries, 1.0), features.repeat(4, axis=0), atol=1e-6)


def test_flat_indexes_are_read_too(tmp_path: Path) -> None:
    features = rows(50)
    flat = faiss.IndexFlatL2(16)
    flat.add(features)
    faiss.write_index(flat, str(tmp_path / "f.index"))
    retriever = index.Retriever.load(tmp_path / "f.index")
    assert np.array_equal(retriever.table.vectors, features)
    assert np.allclose(retriever.blend(features[:5], 1.0), features[:5], atol=1e-6)


def test_a_search_in_parts_finds_the_same_and_holds_no_more_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, queries = rows(3000), rows(40, seed=2)
    retriever = index.Retriever(table.single(features))
    whole = retriever.blend(queries, 0.8)
    distances = ((queries[:, None] - features[None]) ** 2).sum(axis=2)
    nearest = np.sort(np.argsort(distances, axis=1)[:, :8])
    for budget in (16 * 40 * 700, 16 * 40 * 2999, 1):
        monkeypatch.setattr(index, "SEARCH_BYTES", budget)
        assert np.array_equal(np.sort(index._nearest(queries, features, 8)), nearest)
        assert np.allclose(retriever.blend(queries, 0.8), whole, atol=1e-6)
    large = rows(60_000)
    monkeypatch.setattr(index, "SEARCH_BYTES", 1 << 20)
    tracemalloc.start()
    index.Retriever(table.single(large)).blend(queries, 0.8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 << 20, "all distances at once would be 9.6 MB, twice"


def test_another_width_is_named(tmp_path: Path) -> None:
    retriever = index.Retriever.load(saved(tmp_path, rows(50)))
    with pytest.raises(Mismatch, match="width 16, not 20"):
        retriever.blend(rows(3, 20), 0.5)


def test_the_same_features_give_the_same_file(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(saved(tmp_path / name, rows(500), seed=7).read_bytes())
    assert files[0] == files[1]


def test_k_means_condenses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "CENTRES", 20)
    monkeypatch.setattr(index, "MANY_ROWS", 100)
    assert index.build(rows(101), "Auto").ntotal == 20
    assert index.build(rows(100), "Auto").ntotal == 100
    assert index.build(rows(30), "KMeans").ntotal == 20
    assert index.build(rows(15), "KMeans").ntotal == 15
    assert index.build(rows(101), "Faiss").ntotal == 101


@pytest.mark.parametrize("bad", [np.zeros((0, 8)), np.full((3, 8), np.nan)])
def test_nothing_to_index_is_an_error(bad: np.ndarray) -> None:
    with pytest.raises(BadInput):
        index.build(bad.astype(np.float32))


def test_no_truncation_crashes(tmp_path: Path) -> None:
    whole = saved(tmp_path, rows(90)).read_bytes()
    file = tmp_path / "cut.index"
    for size in [*range(0, 200), *range(200, len(whole), 97)]:
        file.write_bytes(whole[:size])
        with pytest.raises(Damaged):
            parsed(file)


def test_damaged_counts_never_take_memory_or_the_process(tmp_path: Path) -> None:
    whole = bytearray(saved(tmp_path, rows(90)).read_bytes())
    file = tmp_path / "odd.index"
    random = np.random.default_rng(0)
    for _ in range(300):
        odd = bytearray(whole)
        for place in random.integers(0, 300, 3):
            odd[place] = random.integers(0, 256)
        file.write_bytes(odd)
        with contextlib.suppress(Damaged):
            parsed(file)


def cells(count: int) -> faiss.IndexIVFFlat:
    """An index of so many cells with nothing in them."""
    made = faiss.index_factory(16, f"IVF{count},Flat")
    assert isinstance(made, faiss.IndexIVFFlat)
    made.cp.min_points_per_centroid = 1
    made.train(rows(90))
    return made


HOSTILE = [0, 2, 255, 1 << 31, 1 << 32, 1 << 60, 1 << 62, 1 << 63, (1 << 64) - 90]


def check(table: Table) -> None:
    """What later code relies on."""
    assert table.bounds[0] == 0
    assert table.bounds[-1] == len(table.vectors)
    assert (np.diff(table.bounds) >= 0).all()
    assert table.centres.shape == (len(table.bounds) - 1, table.vectors.shape[1])
    assert 1 <= table.probes <= len(table.centres)


@pytest.mark.parametrize("kind", ["cells", "sparse cells", "flat"])
def test_hostile_numbers_in_every_field_take_neither_memory_nor_the_process(
    tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "odd.index"
    made: faiss.Index = index.build(rows(90)) if kind != "flat" else faiss.IndexFlatL2(16)
    if kind == "sparse cells":
        made = cells(40)
        made.add(rows(5))
    if kind == "flat":
        made.add(rows(9))
    index.write(made, file)
    whole = file.read_bytes()
    fields = [i for i in range(len(whole)) if i < 104 or whole[i - 4 : i + 16].find(b"ilar") >= 0]
    start = whole.find(b"ilar")
    fields += [] if start < 0 else [start + i for i in range(-24, 60)]
    tracemalloc.start()
    for place in sorted(set(fields)):
        for number in HOSTILE:
            odd = whole[:place] + number.to_bytes(8, "little") + whole[place + 8 :]
            file.write_bytes(odd)
            tracemalloc.reset_peak()
            with contextlib.suppress(Damaged):
                check(parsed(file))
            assert tracemalloc.get_traced_memory()[1] < 8 * len(whole) + (1 << 20), (place, number)
    tracemalloc.stop()


def test_counts_that_overflow_to_small_ones_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "odd.index"
    made = cells(2)
    made.add(rows(90))
    index.write(made, file)
    whole = file.read_bytes()
    sizes = whole.index(b"ilar") + 4 + 16 + 4 + 8  # after the spelling and its length
    first, second = struct.unpack("<QQ", whole[sizes : sizes + 16])
    assert first + second == 90
    for odd in ((first + (1 << 62), second + 3 * (1 << 62)), ((1 << 64) - 10, 100)):
        file.write_bytes(whole[:sizes] + struct.pack("<QQ", *odd) + whole[sizes + 16 :])
        with pytest.raises(Damaged):
            parsed(file)


def test_what_is_written_from_plain_tables_is_what_faiss_searches(tmp_path: Path) -> None:
    features, queries = rows(2000), rows(20, seed=2)
    built = index.build(features)
    built.nprobe = 3
    index.write(built, tmp_path / "a.index")
    table = parsed(tmp_path / "a.index")
    faissfile.write(table, tmp_path / "b.index")
    again = parsed(tmp_path / "b.index")
    assert np.array_equal(again.vectors, table.vectors)
    assert np.array_equal(again.bounds, table.bounds)
    assert np.array_equal(again.centres, table.centres)
    assert again.probes == 3
    known = faiss.read_index(str(tmp_path / "b.index"))
    (square, ids), (expected, _) = known.search(queries, 4), built.search(queries, 4)
    assert np.allclose(square, expected, atol=1e-4)
    assert np.allclose(((table.vectors[ids[:, 0]] - queries) ** 2).sum(1), square[:, 0], atol=1e-3)


@disk.linux
def test_a_full_disk_is_told_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """faiss turns the system's errors into words; the number survives, and so does the old file."""
    file = tmp_path / "v.index"
    file.write_bytes(b"old")
    disk.fill(monkeypatch, file.name)
    with pytest.raises(OSError, match="No space left") as failed:
        index.write(index.build(rows(60)), file)
    assert (failed.value.errno, failed.value.filename) == (errno.ENOSPC, str(file))
    assert file.read_bytes() == b"old"
