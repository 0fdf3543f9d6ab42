"""A tiny voice with stand-ins for embedder and pitch, and sounds to convert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rvc import f0
from rvc.embedders.manager import EmbedderManager
from rvc.infer import voice as voices
from rvc.infer.voice import Voice
from rvc.onnx import accelerate, build, cache
from rvc.onnx.graph_spec import GraphSpec
from tests import fakes, tiny
from tests.fakes import FakeEmbedder


def done_here(spec: GraphSpec, *arguments: str) -> None:
    """What `cache._step` does, without a process of its own."""
    if build.main(list(arguments)):
        raise RuntimeError(arguments[0])


@pytest.fixture(autouse=True)
def _graphs_are_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_step", done_here)


@pytest.fixture
def fake_networks(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEmbedder]:
    """Every embedder and every pitch extractor becomes a fake; returns the one embedder."""
    embedder = fakes.FakeEmbedder(tiny.EMBED_WIDTH)
    monkeypatch.setattr(EmbedderManager, "load", lambda *a, **k: embedder)
    monkeypatch.setattr(EmbedderManager, "home", lambda *a, **k: Path("nowhere"))
    monkeypatch.setattr(accelerate, "embedder", lambda *a: None)
    monkeypatch.setattr(accelerate, "pitch", lambda: None)
    monkeypatch.setattr(f0, "load", lambda name, device: fakes.FakePitch(device))
    voices.forget()
    yield embedder
    voices.forget()


@pytest.fixture
def voice(fake_networks: FakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Voice:
    monkeypatch.setenv(cache.OFF, "1")
    return voices.Voice(tiny.voice(tmp_path / "tiny.pth"), gpu="-")


def sung(seconds: float, rate: int = 16_000, hz: float = 200.0, level: float = 0.3) -> np.ndarray:
    """A glissando with overtones, its level swelling and falling."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * hz * (t + 0.02 * np.sin(t))
    wave = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    return (level * (0.7 + 0.3 * np.sin(1.7 * t)) * wave / 1.4).astype(np.float32)
