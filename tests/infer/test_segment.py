"""The plan covers all sound exactly once, leaves silence out and cuts where it is quiet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rvc.infer import segment

RATE = segment.RATE


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
    pieces = segment.plan(segment.levels(wave), samples)
    assert pieces[0].start == 0
    assert pieces[-1].stop >= samples
    assert pieces[-1].stop - samples < segment.GRID
    for a, b in zip(pieces[:-1], pieces[1:], strict=True):
        assert a.stop == b.start
    for p in pieces:
        assert all(v % segment.GRID == 0 for v in (p.start, p.stop, p.first, p.last))
        assert 0 < p.stop - p.start <= segment.PIECE_S * RATE


def test_silent_stretches_are_left_out_with_a_margin_around_sound() -> None:
    wave = speech_like(30, gaps=[(5, 9), (20, 20.2)])
    pieces = segment.plan(segment.levels(wave), len(wave))
    covered = np.zeros(len(wave), bool)
    for p in pieces:
        covered[p.start : p.stop] = True
    assert covered[wave != 0].all()
    assert not covered[int(5.5 * RATE) : int(8.5 * RATE)].any()
    assert covered[20 * RATE : int(20.2 * RATE)].all(), "a short pause is no reason to cut"


def test_room_tone_is_silence_and_a_whispered_recording_is_not() -> None:
    rng = np.random.default_rng(1)
    tone = rng.standard_normal(5 * RATE) * 10 ** (-70 / 20)
    assert not segment.plan(segment.levels(tone), len(tone))
    whisper = rng.standard_normal(5 * RATE) * 10 ** (-55 / 20)
    whisper[2 * RATE : 3 * RATE] *= 0.3  # a quieter second, at -65 dBFS
    assert (
        sum(p.stop - p.start for p in segment.plan(segment.levels(whisper), len(whisper)))
        == 5 * RATE
    )


def test_cuts_fall_into_the_quietest_moment() -> None:
    wave = speech_like(20, seed=3)
    wave[int(8.0 * RATE) : int(8.4 * RATE)] *= 0.02
    pieces = segment.plan(segment.levels(wave), len(wave), piece_s=12)
    assert 8.0 <= pieces[0].stop / RATE <= 8.4


def test_isolated_pieces_hear_nothing_of_their_neighbours() -> None:
    wave = speech_like(12, gaps=[(4, 6)])
    for p in segment.plan(segment.levels(wave), len(wave), isolated=True):
        index = segment.mirrored(p.first, p.last, p.low, p.high)
        assert index.min() >= p.low
        assert index.max() < p.high
        assert p.high <= 5 * RATE or p.low >= 5 * RATE


def test_digital_silence_and_nothing_at_all_make_no_work() -> None:
    assert segment.plan(segment.levels(np.zeros(RATE)), RATE) == []
    assert segment.plan(segment.levels(np.zeros(0)), 0) == []


def test_mirroring_is_continuous_at_both_ends_even_for_one_sample() -> None:
    wave = np.arange(10)
    assert wave[segment.mirrored(-3, 13, 0, 10)].tolist() == [3, 2, 1, *range(10), 8, 7, 6]
    assert set(segment.mirrored(-5, 5, 0, 1).tolist()) == {0}


def test_little_is_heard_of_a_silence_and_all_of_a_neighbour() -> None:
    levels = np.full(6000, -20.0, np.float32)
    levels[2000:2300] = -100.0
    pieces = segment.plan(levels, 6000 * segment.FRAME)
    silent = [p for p in pieces if p.stop < 2300 * segment.FRAME][-1]
    inner = pieces[0]
    assert silent.last - silent.stop == round(segment.SILENT_CONTEXT_S * segment.RATE)
    assert inner.last - inner.stop == round(segment.CONTEXT_S * segment.RATE)
    assert all((p.last - p.first) % segment.GRID == 0 for p in pieces)
