"""The catalogue of model files and the list of embedders mean the same folders."""

from __future__ import annotations

from rvc.embedders import EMBEDDERS
from rvc.hub import catalog


def test_every_embedder_that_can_be_fetched_lies_where_it_is_looked_for() -> None:
    folders = catalog.embedders()
    assert set(folders) <= set(EMBEDDERS)
    assert folders == {name: f"embedders/{EMBEDDERS[name].folder}" for name in folders}
    shipped = {"mini", "mini-plus"}
    assert set(EMBEDDERS) - set(folders) == {*shipped, "custom"}  # the last is the user's own


def test_an_embedder_has_weights_and_their_shape() -> None:
    for name in catalog.embedders():
        files = {asset.file.name for asset in catalog.embedder(name)}
        assert {"pytorch_model.bin", "config.json"} <= files, name
    assert catalog.embedder("mini-plus") == []
