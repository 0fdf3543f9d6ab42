"""Blocks of every vocoder are parts of one sound: what two hops make of one moment agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rvc.infer.voice import Voice
from rvc.params import Live
from rvc.realtime.engine import Engine
from tests import fakes, tiny
from tests.realtime.conftest import sung


@pytest.mark.parametrize(
    ("vocoder", "rate"),
    [("lite", 24000), ("HiFi-GAN", 40000), ("MRF HiFi-GAN", 40000), ("RefineGAN", 24000)],
)
def test_two_hops_agree_on_the_moment_between_them(
    fake_networks: fakes.FakeEmbedder, tmp_path: Path, vocoder: str, rate: int
) -> None:
    path = tiny.voice(tmp_path / "v.pth", sample_rate=rate, vocoder=vocoder)
    engine = Engine(Voice(path, gpu="-"), Live(seed=1, gate_db=-80))
    wave, alike = sung(1.2, hz=150), []
    for at in range(0, len(wave), 1280):
        tail = engine.tail
        engine.heard.write(wave[at : at + 1280])
        while engine.heard.end >= engine.due:
            before = engine.at
            hop = engine.voice.hop
            engine._judge()
            made = engine._rendered(before, before + engine.block)
            if len(tail):
                alike.append(float(np.corrcoef(tail, made[:hop])[0, 1]))
            engine.tail, engine.at = made[-hop:], before + engine.block
    engine.close()
    assert len(alike) > 8
    print(vocoder, np.round(np.percentile(alike[3:], [0, 10, 50]), 3))
    assert np.median(alike[3:]) > 0.95
