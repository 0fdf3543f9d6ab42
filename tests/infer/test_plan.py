"""The plan covers all sound exactly once, leaves silence out and cuts where it is quiet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from rvc import infer

RATE = infer.RATE


def speech_like(
    seconds: float, seed: int = 0, gaps: Sequence[tuple[float, float]] = ()
) -> np.ndarray:
    """Noise whose level changes slowly; `gaps` are silent (from_s, to_s)."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    slow = np.interp(
        np.arange(n),
        np.arange(0, n + RATE, RATE // 4),
        rng.uniform(0.01, 0.3, n // (RATE // 4) + 5)[: len(np.arange(0, n + RATE, RATE // 4))],
    )
    wave = (slow * rng.standard_normal(n)).astype(np.float32)
    for a, b in gaps:
        wave[int(a * RATE) : int(b * RATE)] = 0
    return wave


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 320, 16_000, 16_001, 400_003])
def test_every_sounding_sample_is_converted_once_and_on_the_grid(samples: int) -> None:
    wave = speech_like(samples / RATE + 1)[:samples]
    pieces = infer.plan(infer.levels(wave), samples)
    assert pieces[0].start == 0
    assert pieces[-1].stop >= samples
    assert pieces[-1].stop - samples < infer.GRID
    for a, b in zip(pieces[:-1], pieces[1:], strict=True):
        assert a.stop == b.start
    for p in pieces:
        assert all(v % infer.GRID == 0 for v in (p.start, p.stop, p.first, p.last))
        assert 0 < p.stop - p.start <= infer.PIECE_S * RATE


def test_silent_stretches_are_left_out_with_a_margin_around_sound() -> None:
    wave = speech_like(30, gaps=[(5, 9), (20, 20.2)])
    pieces = infer.plan(infer.levels(wave), len(wave))
    covered = np.zeros(len(wave), bool)
    for p in pieces:
        covered[p.start : p.stop] = True
    assert covered[wave != 0].all()
    assert not covered[int(5.5 * RATE) : int(8.5 * RATE)].any()
    assert covered[20 * RATE : int(20.2 * RATE)].all(), "a short pause is no reason to cut"


def test_room_tone_is_silence_and_a_whispered_recording_is_not() -> None:
    rng = np.random.default_rng(1)
    tone = rng.standard_normal(5 * RATE) * 10 ** (-70 / 20)
    assert not infer.plan(infer.levels(tone), len(tone))
    whisper = rng.standard_normal(5 * RATE) * 10 ** (-55 / 20)
    whisper[2 * RATE : 3 * RATE] *= 0.3  # a quieter second, at -65 dBFS
    assert (
        sum(p.stop - p.start for p in infer.plan(infer.levels(whisper), len(whisper))) == 5 * RATE
    )


def test_cuts_fall_into_the_quietest_moment() -> None:
    wave = speech_like(20, seed=3)
    wave[int(8.0 * RATE) : int(8.4 * RATE)] *= 0.02
    pieces = infer.plan(infer.levels(wave), len(wave), piece_s=12)
    assert 8.0 <= pieces[0].stop / RATE <= 8.4


def test_isolated_pieces_hear_nothing_of_their_neighbours() -> None:
    wave = speech_like(12, gaps=[(4, 6)])
    for p in infer.plan(infer.levels(wave), len(wave), isolated=True):
        index = infer.mirrored(p.first, p.last, p.low, p.high)
        assert index.min() >= p.low
        assert index.max() < p.high
        assert p.high <= 5 * RATE or p.low >= 5 * RATE


def test_digital_silence_and_nothing_at_all_make_no_work() -> None:
    assert infer.plan(infer.levels(np.zeros(RATE)), RATE) == []
    assert infer.plan(infer.levels(np.zeros(0)), 0) == []


def test_mirroring_is_continuous_at_both_ends_even_for_one_sample() -> None:
    wave = np.arange(10)
    assert wave[infer.mirrored(-3, 13, 0, 10)].tolist() == [3, 2, 1, *range(10), 8, 7, 6]
    assert set(infer.mirrored(-5, 5, 0, 1).tolist()) == {0}


def test_little_is_heard_of_a_silence_and_all_of_a_neighbour() -> None:
    levels = np.full(6000, -20.0, np.float32)
    levels[2000:2300] = -100.0
    pieces = infer.plan(levels, 6000 * infer.FRAME)
    silent = [p for p in pieces if p.stop < 2300 * infer.FRAME][-1]
    inner = pieces[0]
    assert silent.last - silent.stop == round(infer.SILENT_CONTEXT_S * infer.RATE)
    assert inner.last - inner.stop == round(infer.CONTEXT_S * infer.RATE)
    assert all((p.last - p.first) % infer.GRID == 0 for p in pieces)


def quiet_voice(seconds: Any = 12) -> Any:
    """Words of 0.3 s at -61 dBFS with pauses between them, near no number that decides."""
    rng = np.random.default_rng(5)
    wave = rng.standard_normal(seconds * RATE) * 10 ** (-58 / 20)
    t = np.arange(len(wave)) / RATE
    return (wave * (0.02 + np.square(np.sin(np.pi * t / 0.6)))).astype(np.float32)


def burst(wave: np.ndarray, at_s: Any, seconds: Any, level: Any) -> Any:
    loud = wave.copy()
    a, b = int(at_s * RATE), int((at_s + seconds) * RATE)
    loud[a:b] += level * np.random.default_rng(1).uniform(-1, 1, b - a)
    return loud


@pytest.mark.parametrize(
    "events",
    [
        [(0.02, 0.03, 0.5)],
        [(6, 0.03, 1.0)],
        [(2, 0.03, 0.5), (2.3, 0.03, 0.5), (6, 0.05, 1.0)],
        [(5, 0.8, 0.5)],
    ],
)
def test_taps_and_a_cough_say_nothing_about_a_quiet_voice(events: Any) -> None:
    wave = quiet_voice()
    alone = infer.sounding(infer.levels(wave))
    assert 0.5 < alone.mean() < 1
    for event in events:
        wave = burst(wave, *event)
    beside = infer.sounding(infer.levels(wave))
    far = np.ones(len(alone), bool)
    for at, seconds, _ in events:
        far[int(100 * at) - 40 : int(100 * (at + seconds)) + 40] = False
    assert np.abs(alone[far].mean() - beside[far].mean()) < 0.05


def test_a_quiet_voice_after_a_loud_one_is_heard_and_the_loud_ones_pauses_are_not() -> None:
    loud = speech_like(8, gaps=[(3, 4)])
    loud += 10 ** (-66 / 20) * np.random.default_rng(2).standard_normal(len(loud))
    quiet = quiet_voice(8)
    heard = infer.sounding(infer.levels(np.concatenate([loud, quiet]).astype(np.float32)))
    assert heard[820:1580].mean() > 0.9 * infer.sounding(infer.levels(quiet))[20:780].mean()
    assert not heard[330:390].any()


@pytest.mark.parametrize("noise_db", [-64, -70, -78])
def test_room_tone_behind_the_tail_of_a_loud_phrase_and_beside_a_breath_is_silence(
    noise_db: Any,
) -> None:
    rng = np.random.default_rng(4)
    wave = rng.standard_normal(40 * RATE) * 10 ** (noise_db / 20)
    t = np.arange(3 * RATE) / RATE
    wave[5 * RATE : 8 * RATE] += 0.1 * rng.standard_normal(3 * RATE) * 10 ** (-20 * t / 20)
    wave[20 * RATE : 20 * RATE + 6400] += 10 ** (-54 / 20) * rng.standard_normal(6400)
    heard = infer.sounding(infer.levels(wave.astype(np.float32)))
    assert heard[500:690].all()
    assert heard[2000:2040].all()
    far = np.ones(4000, bool)
    far[475:850] = far[1975:2065] = False
    assert not heard[far].any()


def test_sound_ends_lower_than_it_begins() -> None:
    levels = np.full(1000, -90.0)
    levels[400:600] = -30.0
    levels[600:700] = -63.0  # goes on, though it could not begin
    heard = infer.sounding(levels)
    assert heard[400:615].all()
    assert not heard[:400].any()
    assert not heard[640:].any(), "but noise in a pause does not go on for ever"
    wobbling = np.where(np.arange(1000) % 4 < 2, -58.0, -62.0)
    assert infer.sounding(wobbling, "-60")[:-2].all()


def test_the_gate_can_be_set_and_switched_off() -> None:
    wave = speech_like(3)
    levels = infer.levels(wave)
    assert infer.sounding(np.full(50, -150.0), "off").all()
    assert not infer.sounding(levels, "0").any()
    assert infer.sounding(np.full(50, -80.0), "-90").all()
    assert not infer.sounding(np.full(50, -80.0)).any()
    whole = infer.plan(levels, len(wave), loud=infer.sounding(np.full(300, -150.0), "off"))
    assert sum(p.stop - p.start for p in whole) == len(wave)
