"""Cutting loses nothing but dead air."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from rvc.audio import slicer

RATE = 16000
NOISE = np.random.default_rng(3)


def sound(seconds: float, db: float) -> np.ndarray:
    """White noise with the given RMS in dBFS."""
    wave = NOISE.standard_normal(round(seconds * RATE)) * 10 ** (db / 20)
    return wave.astype(np.float32)


def spoken(*parts: tuple[float, float]) -> np.ndarray:
    return np.concatenate([sound(*part) for part in parts])


def kept(spans: Iterable[tuple[int, int]], size: int) -> np.ndarray:
    mask = np.zeros(size, bool)
    for start, stop in spans:
        mask[start:stop] = True
    return mask


def test_a_breath_between_words_is_kept() -> None:
    wave = spoken((2, -20), (1.2, -80), (0.4, -45), (1.2, -80), (2, -20))
    mask = kept(slicer.automatic(wave, RATE), len(wave))
    breath = slice(round(3.2 * RATE), round(3.6 * RATE))
    assert mask[breath].all()
    assert not mask.all()  # some of the dead air did go


def test_every_tail_is_kept() -> None:
    wave = spoken((7.7, -20), (0.3, -80))
    mask = kept(slicer.automatic(wave, RATE), len(wave))
    assert mask[: round(7.7 * RATE)].all()


@pytest.mark.parametrize("floor", [-100, -75, -60, -52])
def test_pauses_are_cut_at_any_noise_floor(floor: int) -> None:
    wave = spoken(*[(2, -20), (2, floor)] * 4, (2, -20))
    spans = slicer.phrases(wave, RATE)
    assert len(spans) == 5
    mask = kept(spans, len(wave))
    words = np.concatenate([np.ones(2 * RATE, bool), np.zeros(2 * RATE, bool)] * 4)
    assert mask[: len(words)][words].all()
    assert mask.mean() < 0.85


def test_continuous_noisy_speech_is_not_thrown_away() -> None:
    wave = spoken((5, -20), (2, -46), (5, -20))
    assert kept(slicer.automatic(wave, RATE), len(wave)).all()


def test_cut_lies_at_the_quietest_point() -> None:
    wave = spoken((3, -20), (0.2, -44), (0.2, -70), (0.2, -44), (3, -20))
    first, second = slicer.phrases(wave, RATE)
    assert first[1] == second[0]
    assert 3.2 * RATE <= first[1] <= 3.4 * RATE


def test_quiet_speech_is_kept_beside_a_noisy_part_and_cut_at_its_own_pauses() -> None:
    noisy = spoken(*[(2, -20), (2, -53)] * 8)
    quiet = spoken(*[(2, -55), (0.6, -85)] * 8)
    wave = np.concatenate([noisy, quiet])
    assert kept(slicer.phrases(wave, RATE), len(wave))[len(noisy) : -RATE].all()
    assert len(slicer.phrases(quiet, RATE)) == 8


def test_one_tap_among_quiet_phrases_changes_no_cut_of_the_others() -> None:
    wave = spoken(*[(2, -55), (0.6, -85)] * 8)
    before = slicer.phrases(wave, RATE)
    wave[RATE // 2 : RATE // 2 + 480] = 0.5
    assert slicer.phrases(wave, RATE) == before


def test_the_gate_of_the_slicer_can_be_set_and_switched_off() -> None:
    wave = spoken((2, -20), (3, -65), (2, -20))
    size = len(wave)
    assert kept(slicer.phrases(wave, RATE, "off"), size).all()
    assert kept(slicer.phrases(wave, RATE, "-70"), size).all()
    assert not kept(slicer.phrases(wave, RATE, "-60"), size).all()


def test_silence_gives_nothing() -> None:
    assert slicer.automatic(np.zeros(5 * RATE, np.float32), RATE) == []


@pytest.mark.parametrize("size", [1, 10, 240, 5000])
def test_tiny_sounds_come_through_whole(size: int) -> None:
    wave = np.full(size, 0.5, np.float32)
    assert slicer.automatic(wave, RATE) == [(0, size)]
    assert slicer.simple(size, RATE, 3, 0.3) == [(0, size)]


def test_edges_keep_half_a_second_of_silence() -> None:
    wave = spoken((3, -90), (2, -20), (3, -90))
    ((start, stop),) = slicer.phrases(wave, RATE)
    assert start == pytest.approx(2.5 * RATE, abs=0.05 * RATE)
    assert stop == pytest.approx(5.5 * RATE, abs=0.05 * RATE)


@pytest.mark.parametrize("seconds", [0.5, 3.0, 3.3, 3.31, 6.0, 6.01, 60])
def test_windows_cover_everything(seconds: float) -> None:
    size = round(seconds * RATE)
    spans = list(slicer.windows(0, size, RATE))
    assert kept(spans, size).all()
    assert all(stop - start <= round(3.3 * RATE) for start, stop in spans)
    assert all(b[0] == a[0] + round(2.7 * RATE) for a, b in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize("seconds", [1, 3, 3.5, 10, 10.1])
@pytest.mark.parametrize("overlap", [0, 0.3])
def test_simple_cut_has_equal_pieces_and_loses_no_tail(seconds: float, overlap: float) -> None:
    size = round(seconds * RATE)
    spans = slicer.simple(size, RATE, 3, overlap)
    assert kept(spans, size).all()
    assert {stop - start for start, stop in spans} == {min(size, 3 * RATE)}
