"""Index files of unusual kinds give plain vectors; hostile ones give an error and nothing else."""

import faiss
import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.features import foreign, index


def rows(n=400, width=16, seed=0):
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


@pytest.mark.parametrize("kind", ["HNSW8", "IVF4,SQ8"])
def test_other_kinds_of_index_are_read_as_vectors(tmp_path, kind):
    made = faiss.index_factory(16, kind)
    made.train(rows())
    made.add(rows())
    file = tmp_path / "v.index"
    faiss.write_index(made, str(file))
    found = index.Retriever.load(file)
    assert (len(found), found.width) == (400, 16)
    assert np.abs(np.sort(found.table.vectors, 0) - np.sort(rows(), 0)).max() < 0.05


@pytest.mark.parametrize("content", [b"IHNf" + b"\xff" * 4000, b"IxPT" + bytes(200), b"what"])
def test_damaged_files_are_an_error_of_the_child_alone(tmp_path, content):
    file = tmp_path / "v.index"
    file.write_bytes(content)
    with pytest.raises(BadInput, match="v.index"):
        foreign.vectors(file)


def test_a_file_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    file = tmp_path / "v.index"
    file.write_bytes(b"IHNf")
    monkeypatch.setattr(foreign, "SECONDS", 0.01)
    with pytest.raises(BadInput, match="too long"):
        foreign.vectors(file)
