"""Reading between samples: pitch, level and time stay what they were; what does not fit is gone."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.realtime.rings import Ring
from rvc.realtime.sampling import Resampler
from tests.realtime.conftest import decibels


@pytest.mark.parametrize(("rate", "other"), [(48000, 16000), (44100, 16000), (24000, 48000)])
def test_a_tone_is_the_same_tone(rate: int, other: int) -> None:
    wave = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    moments = np.arange(other // 10, other * 9 // 10) * (rate / other)
    made = Resampler(rate, other)(wave, 0, moments)
    wanted = np.sin(2 * np.pi * 1000 * moments / rate)
    assert decibels(made - wanted) < -60


def test_what_the_other_rate_cannot_hold_is_gone() -> None:
    wave = np.sin(2 * np.pi * 10_000 * np.arange(48000) / 48000).astype(np.float32)
    made = Resampler(48000, 16000)(wave, 0, np.arange(2000, 14000) * 3.0)
    assert decibels(made) < -55


def test_equal_rates_pass_what_coincides_untouched() -> None:
    wave = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    assert np.array_equal(Resampler(16000, 16000)(wave, 50, np.arange(60.0, 90.0)), wave[10:40])


def test_a_ring_gives_silence_for_what_it_does_not_hold() -> None:
    ring = Ring(10)
    ring.write(np.arange(1, 8, dtype=np.float32))
    ring.write(np.arange(8, 16, dtype=np.float32))
    assert ring.read(2, 18).tolist() == [0, 0, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0]
    ring.write(np.arange(16, 50, dtype=np.float32))
    assert ring.read(38, 49).tolist() == [0, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49]
