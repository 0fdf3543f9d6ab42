"""Filters, levels and cuts do to sound what physics says they do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rvc.audio import dsp

RATE = 16000


def tone(hz: float, seconds: float = 2.0, level: float = 1.0, rate: int = RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


@pytest.mark.parametrize("zero_phase", [True, False])
def test_highpass_removes_rumble_and_keeps_voice(zero_phase: bool) -> None:
    def middle(hz: float) -> float:
        return rms(dsp.highpass(tone(hz), RATE, zero_phase)[RATE // 2 : -RATE // 2])

    assert middle(12) < 0.002
    assert middle(200) == pytest.approx(math.sqrt(0.5), rel=0.01)
    half_power = 0.5 if zero_phase else math.sqrt(0.5)
    assert middle(48) == pytest.approx(half_power * math.sqrt(0.5), rel=0.03)


def test_zero_phase_does_not_move_sound() -> None:
    wave = np.zeros(RATE, np.float32)
    wave[8000] = 1
    assert dsp.highpass(wave, RATE).argmax() == 8000


def test_zero_phase_equals_the_textbook_filter() -> None:
    from scipy import signal

    b, a = signal.butter(5, 48, "high", fs=RATE)
    wave = np.random.default_rng(0).standard_normal(RATE)
    np.testing.assert_allclose(dsp.highpass(wave, RATE), signal.filtfilt(b, a, wave), atol=1e-5)


@pytest.mark.parametrize("size", [0, 1, 2, 17])
def test_highpass_of_almost_nothing(size: int) -> None:
    assert len(dsp.highpass(np.ones(size, np.float32), RATE)) == size


def test_crossfade_of_equal_content_is_invisible() -> None:
    wave = tone(100)
    joined = dsp.crossfade(wave[:9000], wave[8000:], 1000)
    np.testing.assert_allclose(joined, wave, atol=1e-6)
