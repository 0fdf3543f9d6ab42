"""Blocks of every vocoder are parts of one sound: what two hops make of one moment agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rvc.infer.voice import Voice
from rvc.params import Live
from rvc.realtime.engine import Engine
from rvc.realtime.ports import Passive
from rvc.realtime.session import Session
from tests import fakes, tiny
from tests.realtime.conftest import decibels, sung


@pytest.mark.parametrize(
    ("vocoder", "rate"),
    [("lite", 24000), ("HiFi-GAN", 40000), ("MRF HiFi-GAN", 40000), ("RefineGAN", 24000)],
)
def test_two_hops_agree_on_the_moment_between_them(
    fake_networks: fakes.FakeEmbedder, tmp_path: Path, vocoder: str, rate: int
) -> None:
    path = tiny.voice(tmp_path / "v.pth", sample_rate=rate, vocoder=vocoder)
    engine = Engine(Voice(path, gpu="-"), Live(seed=1, gate_db=-80))
    wave, alike = sung(0.8, hz=150), []
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
    assert len(alike) > 5
    assert np.median(alike[3:]) > 0.95


def test_a_voice_of_another_rate_and_vocoder_takes_over_while_one_speaks(
    fake_networks: fakes.FakeEmbedder, tmp_path: Path
) -> None:
    first = tiny.voice(tmp_path / "a.pth", sample_rate=24000, vocoder="lite")
    second = tiny.voice(tmp_path / "b.pth", sample_rate=40000, vocoder="HiFi-GAN")
    port = Passive(16_000, 48_000)
    live = Live(pth_path=first, seed=1, head_room_ms=40, gate_db=-80)
    session = Session(live, port, threaded=False, force=True)
    session.start()
    wave, heard = sung(1.6, hz=150), []
    for at in range(0, len(wave), 320):
        if at == 12_800:
            session.voice(second)
        session.push(wave[at : at + 320])
        session.work()
        heard.append(session.pull(960))
    session.stop()
    sound = np.concatenate(heard)[48_000 * 4 // 10 :]
    assert session.figures()["gaps"] == 0
    assert session.figures()["voice"] == str(second)
    levels = [decibels(part) for part in np.split(sound, 24)]
    assert min(levels) > -60, "the old voice goes on until the new one is there"
    assert session.chain is not None
    track = session.chain.track
    assert track.rate == 40_000
