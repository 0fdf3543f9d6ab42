"""Arithmetic on pitch curves."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.f0 import contour


def test_coarse_bins_are_those_of_trained_voices() -> None:
    f0 = np.array([0, 20, 50, 100, 200, 440, 1100, 1600, np.nan, np.inf])
    bins = contour.coarse(f0)
    assert bins.dtype == np.int64
    assert bins.tolist()[:3] == [1, 1, 1]
    assert bins[4] == 54  # 200 Hz
    assert bins[6] == bins[7] == 255
    assert bins[8] == bins[9] == 1


def test_coarse_follows_the_formula_everywhere() -> None:
    f0 = np.linspace(51, 1099, 500)
    low, high = 77.754966, 1064.408233
    expected = np.rint((1127 * np.log(1 + f0 / 700) - low) * 254 / (high - low) + 1)
    assert np.array_equal(contour.coarse(f0), expected)


def test_shift_by_an_octave_doubles_and_keeps_the_unvoiced() -> None:
    assert contour.shift(np.array([0.0, 110.0]), 12).tolist() == [0.0, 220.0]


def test_autotune_takes_the_nearest_note_in_cents_and_keeps_the_unvoiced() -> None:
    f0 = np.array([0.0, 440.0 * 2 ** (0.4 / 12), 440.0 * 2 ** (0.6 / 12)])
    out = contour.autotune(f0)
    assert out[0] == 0
    assert out[1:] == pytest.approx([440.0, 440.0 * 2 ** (1 / 12)], rel=1e-6)
    half = contour.autotune(f0, 0.5)
    assert 12 * np.log2(half[1] / 440) == pytest.approx(0.2, abs=1e-4)
    assert np.array_equal(contour.autotune(f0, 0.0), f0.astype(np.float32))
    high = contour.autotune(np.array([440.0 * 2 ** (22.3 / 12)]))  # above C6, as sopranos are
    assert 12 * np.log2(high[0] / 440) == pytest.approx(22, abs=1e-4)


@pytest.mark.parametrize(
    ("target", "steps"), [(220.0, 12), (110.0, 0), (880.0, 36), (55, -12), (113.2234, 0.5)]
)
def test_semitones_to_move_the_median_of_the_voiced(target: float, steps: float) -> None:
    median_hz = contour.median_hz(np.array([0, 0, 0, 0, 110.0, 110.0, 112.0]))
    assert contour.semitones_to(median_hz, target) == pytest.approx(steps, abs=1e-4)


def test_a_median_needs_two_voiced_frames() -> None:
    assert contour.semitones_to(contour.median_hz(np.array([0.0, 100.0])), 200.0) == 0


@pytest.mark.parametrize("frames", [0, 2, 3, 7])
def test_fit_gives_exactly_the_frames(frames: int) -> None:
    assert len(contour.fit(np.array([1.0, 2.0, 3.0]), frames)) == frames
    assert len(contour.fit(np.zeros(0), frames)) == frames
