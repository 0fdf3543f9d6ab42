"""The embedder of live conversion as a graph: the same features, whatever the window."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.embedders.manager import EmbedderManager
from rvc.onnx import accelerate, build, cache
from rvc.onnx.graph_spec import GraphSpec


def done_here(spec: GraphSpec, *arguments: str) -> None:
    """What `cache._step` does, without a process of its own."""
    if build.main(list(arguments)):
        raise RuntimeError(arguments[0])


def test_a_whisper_embedder_from_mel_on_gives_the_same_features(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "_step", done_here)
    plain = EmbedderManager().load("mini")
    made = accelerate.live(plain)
    assert made is not plain
    rng = np.random.default_rng(0)
    for seconds in (0.5, 1.165, 2.2):
        wave = (0.1 * rng.standard_normal(round(16_000 * seconds))).astype(np.float32)
        a, b = plain(wave), made(wave)
        assert a.shape == b.shape
        assert np.abs(a - b).max() < 1e-4 * np.abs(a).max()
    monkeypatch.setenv(cache.OFF, "1")
    assert accelerate.live(plain) is plain
