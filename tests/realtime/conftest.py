"""A tiny voice with fake networks, and an engine that says what it hears."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rvc import f0
from rvc.embedders.manager import EmbedderManager
from rvc.infer import voice as voices
from rvc.infer.voice import Voice
from rvc.onnx import accelerate, cache
from rvc.params import Live
from rvc.realtime.rings import Ring
from tests import fakes, tiny

RATE = 16_000


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


class Echo:
    """Stands in for an engine: what it hears is its voice, so that delay and loss can be seen."""

    def __init__(self, live: Live, start: int = 0, heard: Ring | None = None) -> None:
        self.live, self.timing = live, live.timing
        self.at, self.heard = start // 160, heard or Ring(4 * RATE, start)
        self.voice: Any = SimpleNamespace(rate=RATE, hop=160)
        self.gate: Any = SimpleNamespace(left=0)
        self.tail = np.zeros(0, np.float32)
        self.made = 0

    @property
    def block(self) -> int:
        return self.timing.block // 10

    @property
    def due(self) -> int:
        return (self.at + self.block + self.timing.look_ahead // 10) * 160

    def set(self, live: Live) -> None:
        self.live, self.timing = live, live.timing

    def pace(self, block_ms: int) -> None:
        self.timing = replace(self.timing, block=block_ms)

    def follow(self, other: Echo) -> None:
        self.pace(other.timing.block)

    def skip(self) -> np.ndarray:
        self.at += self.block
        return np.zeros(self.block * 160, np.float32)

    def hop(self) -> np.ndarray:
        begin, self.at = self.at * 160, self.at + self.block
        self.made += 1
        self.tail = self.heard.read(self.at * 160, self.at * 160 + 160)
        return self.heard.read(begin, self.at * 160)

    def close(self) -> None:
        """Nothing is open."""


def sung(seconds: float, rate: int = RATE, hz: float = 200.0, level: float = 0.3) -> np.ndarray:
    """A glissando with overtones, its level swelling and falling."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * hz * (t + 0.02 * np.sin(t))
    wave = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    return (level * (0.7 + 0.3 * np.sin(1.7 * t)) * wave / 1.4).astype(np.float32)


def decibels(wave: np.ndarray) -> float:
    """Level in dBFS."""
    return float(10 * np.log10(max(np.mean(np.square(wave, dtype=np.float64)), 1e-20)))
