"""The verb `index`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from rvc import params
from rvc.dataset import manifest, slice_features
from rvc.errors import Mismatch, StageFailed
from rvc.retrieval import faissfile, reader
from rvc.retrieval import index as faiss_index
from rvc.retrieval.index import Retriever
from rvc.train import index
from tests import hostile

Extracted = Callable[..., Path]


@pytest.fixture
def extracted(home: Path) -> Extracted:
    """An experiment with features; `extracted(rows per slice, width, seed)` writes them."""
    folder = home / "logs" / "voice"
    (folder / "extracted").mkdir(parents=True)

    def write(sizes: Sequence[int], width: int = 16, seed: int = 0) -> Path:
        random = np.random.default_rng(seed)
        names = [f"0_{i}_0" for i in range(len(sizes))]
        for name, size in zip(names, sizes, strict=True):
            values = random.standard_normal((size, width)).astype(np.float32)
            np.save(slice_features.paths(folder, name)[0], values)
        done = manifest.Stage("extract", {"slices": str(seed)}, len(names), names)
        manifest.record(folder, done)
        return folder

    return write


def run(**more: Any) -> dict[str, Any]:
    return index.run(params.Index(model_name="voice", **more))


def test_all_rows_are_in_the_index(extracted: Extracted) -> None:
    folder = extracted([10, 20, 30])
    result = run()
    assert (result["rows"], result["vectors"], result["width"]) == (60, 60, 16)
    assert len(Retriever.load(folder / "voice.index")) == 60


def test_an_index_that_fits_is_left_alone_and_one_that_does_not_is_replaced(
    extracted: Extracted,
) -> None:
    folder = extracted([50])
    run()
    file = folder / "voice.index"
    first, written = file.read_bytes(), file.stat().st_mtime_ns
    assert "up to date" in run()["message"]
    assert file.stat().st_mtime_ns == written
    extracted([50], seed=1)
    assert "built" in run()["message"]
    assert file.read_bytes() != first


@pytest.mark.parametrize("damage", [Path.unlink, *hostile.INDEXES.values()])
def test_a_damaged_or_hostile_index_is_built_again_and_never_read(
    extracted: Extracted, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object]
) -> None:
    def parsed(*_: object, **__: Any) -> None:
        raise AssertionError("the index is read")

    folder = extracted([50])
    run()
    for place, name in ((faissfile, "read"), (faiss, "read_index"), (reader, "read")):
        monkeypatch.setattr(place, name, parsed)
    whole = (folder / "voice.index").read_bytes()
    damage(folder / "voice.index")
    run()
    assert (folder / "voice.index").read_bytes() == whole


def test_rows_that_are_no_numbers_are_left_out(extracted: Extracted) -> None:
    folder = extracted([10])
    file = slice_features.paths(folder, "0_0_0")[0]
    values = np.load(file)
    values[3, 2] = np.nan
    np.save(file, values)
    assert run()["rows"] == 9


def test_no_rows_at_all_names_the_stage_at_fault(extracted: Extracted) -> None:
    folder = extracted([10])
    slice_features.paths(folder, "0_0_0")[0].unlink()
    with pytest.raises(StageFailed, match=r"extract stage left no features.*0_0_0"):
        run()
    assert not (folder / "voice.index").exists()


def test_without_extract_it_says_so(home: Path) -> None:
    with pytest.raises(StageFailed, match="extract stage has not been done"):
        run()


def test_features_of_two_embedders_are_refused(extracted: Extracted) -> None:
    folder = extracted([10, 10])
    np.save(slice_features.paths(folder, "0_1_0")[0], np.zeros((5, 8), np.float32))
    with pytest.raises(Mismatch, match="0_1_0"):
        run()


def test_a_failed_write_leaves_the_old_index(
    extracted: Extracted, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = extracted([50])
    run()
    before = (folder / "voice.index").read_bytes()
    extracted([50], seed=1)

    def full(built: object, file: Path) -> None:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(faiss_index, "write", full)
    with pytest.raises(OSError, match="No space"):
        run()
    assert (folder / "voice.index").read_bytes() == before
