"""An index on a GPU finds what the processor finds; the same code runs here on the processor."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from rvc.retrieval import on_device
from rvc.retrieval.index import Retriever
from rvc.retrieval.table import Table, single

CPU = torch.device("cpu")


def random(rows: int, width: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def table(rows: int, cells: int, probes: int) -> Table:
    bounds = np.sort(np.random.default_rng(1).integers(0, rows, cells - 1))
    edges = np.concatenate([[0], bounds, [rows]]).astype(np.int64)
    return Table(random(cells, seed=2), edges, random(rows), probes)


@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize("rows", [40, 2000])
def test_it_mixes_in_the_neighbours_that_the_processor_finds(
    rows: int, probes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_device, "PAIRS", 2000)  # so that the queries come in several parts
    retriever = Retriever(table(rows, 30, probes))
    queries = random(97, seed=3)
    queries[5] = retriever.table.vectors[7]  # hit exactly
    made = on_device.DeviceRetriever(retriever, CPU)
    for rate in (0.0, 0.4, 1.0):
        found = made.blend(torch.from_numpy(queries), rate).numpy()
        assert found == pytest.approx(retriever.blend(queries, rate), abs=1e-5)


def test_a_table_of_one_cell_is_searched_whole() -> None:
    rows, queries = random(3000), random(50, seed=4)
    flat = Retriever(single(rows))
    made = on_device.on_device(flat, CPU)
    assert isinstance(made, on_device.DeviceRetriever)
    assert len(made) == 3000
    found = made.blend(torch.from_numpy(queries), 0.7).numpy()
    assert found == pytest.approx(flat.blend(queries, 0.7), abs=1e-5)


def test_what_does_not_fit_is_searched_by_the_processor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(on_device, "DeviceRetriever", full)
    retriever, queries = Retriever(table(300, 8, 1), "voice.index"), random(20, seed=5)
    with caplog.at_level(logging.WARNING):
        made = on_device.on_device(retriever, CPU)
    assert "voice.index does not fit into the GPU's memory" in caplog.text
    assert len(made) == 300
    found = made.blend(torch.from_numpy(queries), 0.5).numpy()
    assert np.array_equal(found, retriever.blend(queries, 0.5))
