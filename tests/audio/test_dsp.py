"""Filters, levels and cuts do to sound what physics says they do."""

import math

import numpy as np
import pytest

from rvc.audio import dsp

RATE = 16000


def tone(hz, seconds=2.0, level=1.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def rms(wave):
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


@pytest.mark.parametrize("zero_phase", [True, False])
def test_highpass_removes_rumble_and_keeps_voice(zero_phase):
    def middle(hz):
        return rms(dsp.highpass(tone(hz), RATE, zero_phase)[RATE // 2 : -RATE // 2])

    assert middle(12) < 0.002
    assert middle(200) == pytest.approx(math.sqrt(0.5), rel=0.01)
    half_power = 0.5 if zero_phase else math.sqrt(0.5)
    assert middle(48) == pytest.approx(half_power * math.sqrt(0.5), rel=0.03)


def test_zero_phase_does_not_move_sound():
    wave = np.zeros(RATE, np.float32)
    wave[8000] = 1
    assert dsp.highpass(wave, RATE).argmax() == 8000


def test_zero_phase_equals_the_textbook_filter():
    from scipy import signal

    b, a = signal.butter(5, 48, "high", fs=RATE)
    wave = np.random.default_rng(0).standard_normal(RATE)
    np.testing.assert_allclose(dsp.highpass(wave, RATE), signal.filtfilt(b, a, wave), atol=1e-5)


@pytest.mark.parametrize("size", [0, 1, 2, 17])
def test_highpass_of_almost_nothing(size):
    assert len(dsp.highpass(np.ones(size, np.float32), RATE)) == size


def test_true_peak_finds_what_lies_between_samples():
    t = np.arange(RATE)
    wave = np.sin(np.pi / 2 * t + np.pi / 4).astype(np.float32)  # samples at ±0.707, peak 1
    assert dsp.peak(wave) == pytest.approx(math.sqrt(0.5), abs=1e-4)
    assert dsp.true_peak(wave, RATE) == pytest.approx(1, abs=0.06)


def test_crossfade_of_equal_content_is_invisible():
    wave = tone(100)
    joined = dsp.crossfade(wave[:9000], wave[8000:], 1000)
    np.testing.assert_allclose(joined, wave, atol=1e-6)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_loudness_of_the_reference_tone(rate):
    """BS.1770: a full-scale 997 Hz sine in one channel measures -3.01 LUFS."""
    assert dsp.loudness(tone(997, 5, 1.0, rate), rate) == pytest.approx(-3.01, abs=0.1)
    assert dsp.loudness(tone(997, 5, 0.1, rate), rate) == pytest.approx(-23.01, abs=0.1)


def test_loudness_ignores_pauses_and_knows_silence():
    speech = tone(997, 5, 0.1)
    padded = np.concatenate([speech, np.zeros(10 * RATE, np.float32)])
    assert dsp.loudness(padded, RATE) == pytest.approx(dsp.loudness(speech, RATE), abs=0.3)
    assert dsp.loudness(np.zeros(RATE, np.float32), RATE) == -math.inf
    assert dsp.loudness(np.ones(1, np.float32), RATE) <= 20
