"""A tiny voice with fake networks, and an engine that says what it hears."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rvc import f0
from rvc.embedders.manager import EmbedderManager
from rvc.infer import voice as voices
from rvc.infer.voice import Voice
from rvc.onnx import accelerate, cache
from tests import fakes, tiny
from tests.realtime.echo import RATE


@pytest.fixture
def fake_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[fakes.FakeEmbedder]:
    """Every embedder and every pitch extractor becomes a fake; no graphs are made."""
    embedder = fakes.FakeEmbedder(tiny.EMBED_WIDTH)
    monkeypatch.setattr(EmbedderManager, "load", lambda *a, **k: embedder)
    monkeypatch.setattr(EmbedderManager, "home", lambda *a: tmp_path)
    monkeypatch.setattr(accelerate, "embedder", lambda *a: None)
    monkeypatch.setattr(f0, "load", lambda name, device: fakes.FakePitch(device))
    monkeypatch.setenv(cache.OFF, "1")
    voices.forget()
    yield embedder
    voices.forget()


@pytest.fixture
def voice(fake_networks: fakes.FakeEmbedder, tmp_path: Path) -> Voice:
    return Voice(tiny.voice(tmp_path / "tiny.pth", sample_rate=24000, vocoder="lite"), gpu="-")


def sung(seconds: float, rate: int = RATE, hz: float = 200.0, level: float = 0.3) -> np.ndarray:
    """A glissando with overtones, its level swelling and falling."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * hz * (t + 0.02 * np.sin(t))
    wave = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    return (level * (0.7 + 0.3 * np.sin(1.7 * t)) * wave / 1.4).astype(np.float32)


def decibels(wave: np.ndarray) -> float:
    """Level in dBFS."""
    return float(10 * np.log10(max(np.mean(np.square(wave, dtype=np.float64)), 1e-20)))
