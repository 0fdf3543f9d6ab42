"""The engine: cuts change nothing, joins are not heard, silence is silent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.infer.voice import Voice
from rvc.params import Live
from rvc.realtime.engine import Engine
from tests.fakes import FakeEmbedder
from tests.realtime.conftest import decibels, sung
from tests.realtime.echo import RATE

LIVE = Live(seed=3, gate_db=-60)


def spoken(engine: Engine, wave: np.ndarray, chunk: int) -> np.ndarray:
    parts = [engine.feed(wave[at : at + chunk]) for at in range(0, len(wave), chunk)]
    return np.concatenate(parts)


def border_steps(sound: np.ndarray, rate: int) -> float:
    """Steps within 5 ms of a border of hops, as a multiple of those elsewhere."""
    steps = np.abs(np.diff(sound[rate * 560 // 1000 :], 2))
    block, near_by = rate * 80 // 1000, rate * 5 // 1000
    at = np.arange(len(steps)) % block
    near = (at < near_by) | (at >= block - near_by)
    return float(np.percentile(steps[near], 99.9) / np.percentile(steps[~near], 99.9))


def test_however_the_stream_is_cut_the_same_bytes_come_out(voice: Voice) -> None:
    wave = sung(0.7)
    whole = spoken(Engine(voice, LIVE), wave, len(wave))
    assert decibels(whole) > -60
    for chunk in (1, 7, 480):
        assert np.array_equal(spoken(Engine(voice, LIVE), wave, chunk), whole), chunk


def test_what_comes_out_is_as_late_as_block_and_look_ahead(voice: Voice) -> None:
    engine = Engine(voice, Live(seed=3, block_ms=100, look_ahead_ms=60))
    lengths = [len(engine.feed(np.zeros(160, np.float32))) for _ in range(100)]
    assert np.flatnonzero(lengths).tolist() == list(range(15, 100, 10))
    assert set(lengths) == {0, voice.rate // 10}


def test_a_join_is_no_louder_a_step_than_any_other(voice: Voice) -> None:
    wave = sung(2, hz=150)
    assert border_steps(spoken(Engine(voice, LIVE), wave, 777), voice.rate) < 1.3


def test_silence_is_silent_and_costs_nothing(voice: Voice, fake_networks: FakeEmbedder) -> None:
    rng = np.random.default_rng(0)
    room = (10 ** (-75 / 20) * rng.standard_normal(3 * RATE)).astype(np.float32)
    engine = Engine(voice, LIVE)
    sound = spoken(engine, np.concatenate([sung(1), room]), 480)
    rate = voice.rate
    assert np.any(sound[: rate * 115 // 100])
    assert not np.any(sound[rate * 125 // 100 :]), "250 ms after the last sound"
    assert decibels(sound[rate : rate * 119 // 100]) > -80, "the end of the word is not cut off"
    heard = fake_networks.samples
    made = engine.made
    engine.feed(room)
    assert fake_networks.samples == heard
    assert engine.made == made


def test_words_keep_their_beginning_after_silence(voice: Voice) -> None:
    word = sung(1)
    after = np.concatenate([np.zeros(2 * RATE, np.float32), word])
    late = spoken(Engine(voice, LIVE), after, 480)
    open_all_the_time = LIVE.model_copy(update={"gate_db": -90.0})
    engine = Engine(voice, open_all_the_time)
    engine.gate.left = 10**6
    full = spoken(engine, after, 480)
    first = slice(2 * voice.rate, 2 * voice.rate + voice.rate * 40 // 1000)
    assert abs(decibels(late[first]) - decibels(full[first])) < 1


def test_settings_are_heard_from_the_next_hop_on(voice: Voice) -> None:
    wave = sung(2.2)
    half = 20 * 1280 + 80 * 16
    same, other = Engine(voice, LIVE), Engine(voice, LIVE)
    before = [e.feed(wave[:half]) for e in (same, other)]
    assert np.array_equal(before[0], before[1])
    other.set(LIVE.model_copy(update={"pitch": 7.0}))
    after = [e.feed(wave[half:]) for e in (same, other)]
    fade = voice.hop
    assert not np.allclose(after[0][fade : 4 * fade], after[1][fade : 4 * fade], atol=1e-4)


def test_settings_that_change_all_the_time_do_not_click(voice: Voice) -> None:
    wave, engine = sung(2, hz=150), Engine(voice, LIVE)
    parts = []
    for n, at in enumerate(range(0, len(wave), 1280)):
        changed = {"pitch": float(n % 3), "protect": 0.1 * (n % 5), "index_rate": 0.2 * (n % 2)}
        engine.set(LIVE.model_copy(update=changed))
        parts.append(engine.feed(wave[at : at + 1280]))
    assert border_steps(np.concatenate(parts), voice.rate) < 1.3


def test_a_proposed_pitch_is_reached_by_a_glide(voice: Voice) -> None:
    live = LIVE.model_copy(
        update={"proposed_pitch": True, "proposed_pitch_threshold": 400.0, "f0_method": "swift-f0"}
    )
    engine = Engine(voice, live)
    engine.feed(sung(3, hz=200))
    assert 1.5 < engine.glide < 3.1, "one semitone a second towards twelve"


@pytest.mark.parametrize(
    "given", [{"formant_shifting": True}, {"clean_audio": True}, {"pitch_shift": True}]
)
def test_what_would_hold_sound_back_is_refused(voice: Voice, given: dict[str, Any]) -> None:
    engine = Engine(voice, LIVE)
    with pytest.raises(BadInput, match=f"--{next(iter(given)).replace('_', '-')}"):
        engine.set(Live(post_process=True, **given))
    assert engine.live == LIVE
