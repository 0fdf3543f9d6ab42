"""The recording of somebody else that is rendered at every save."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from rvc.embedders import manager
from rvc.embedders.embedder import Embedder
from rvc.train import reference
from tests.embedders import tiny_embedders
from tests.train import tiny


@pytest.fixture
def embedder(home: Path, tmp_path: Path) -> dict[str, Any]:
    """What a manifest says of a tiny embedder in a folder, with a reference recording in place."""
    folder = tiny_embedders.write(
        tmp_path / "tiny", tiny_embedders.SHAPES["hubert-large"], normalize=True
    )
    sound = home / "logs/reference/reference.wav"
    sound.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    soundfile.write(sound, 0.1 * rng.standard_normal(16000 * 7), 16000)
    manager.forget()
    width = manager.EmbedderManager().load("custom", folder).spec.width
    manager.forget()
    return {"name": str(folder), "width": width}


def test_its_first_six_seconds_are_measured_and_no_embedder_stays_in_memory(
    embedder: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = manager.EmbedderManager.load

    def load(self: manager.EmbedderManager, *args: Any, **options: Any) -> Embedder:
        found = real(self, *args, **options)
        made.append(weakref.ref(found))
        return found

    monkeypatch.setattr(manager.EmbedderManager, "load", load)
    found = reference.load(embedder, torch.device("cpu"), tiny.FlatPitch)
    assert found is not None
    phone, pitch, hz = found
    gc.collect()
    assert [ref() for ref in made] == [None]
    assert phone.shape[1] == embedder["width"]
    assert len(phone) == len(pitch) == len(hz)
    assert len(hz) == pytest.approx(600, abs=4)
    assert hz.unique().tolist() == [120.0]


def test_another_width_than_the_voices_is_not_rendered(embedder: dict[str, Any]) -> None:
    other = embedder | {"width": embedder["width"] + 1}
    assert reference.load(other, torch.device("cpu"), tiny.FlatPitch) is None
