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


def test_streamed_highpass_is_the_whole_one():
    wave = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    stream = dsp.Highpass(RATE)
    pieces = np.concatenate([stream(wave[i : i + 777]) for i in range(0, 5000, 777)])
    np.testing.assert_allclose(pieces, dsp.highpass(wave, RATE, zero_phase=False), atol=1e-6)


def test_true_peak_finds_what_lies_between_samples():
    t = np.arange(RATE)
    wave = np.sin(np.pi / 2 * t + np.pi / 4).astype(np.float32)  # samples at ±0.707, peak 1
    assert dsp.peak(wave) == pytest.approx(math.sqrt(0.5), abs=1e-4)
    assert dsp.true_peak(wave, RATE) == pytest.approx(1, abs=0.06)


def test_limit_only_turns_down():
    assert dsp.peak(dsp.limit_peak(tone(100) * 2, 0.99)) == pytest.approx(0.99)
    quiet = tone(100) * 0.1
    assert dsp.limit_peak(quiet, 0.99) is quiet
    assert not dsp.limit_peak(np.zeros(5, np.float32), 0.99).any()


def test_envelope_zero_follows_the_model_and_one_keeps_ours():
    ours = tone(300, 6, 0.2)
    model = tone(200, 6, 0.4, 8000) * np.repeat([1.0, 0.1, 1.0], 16000).astype(np.float32)
    assert dsp.match_envelope(ours, RATE, model, 8000, 1) is ours
    out = dsp.match_envelope(ours, RATE, model, 8000, 0)
    assert rms(out[RATE // 2 : RATE]) == pytest.approx(0.4 * math.sqrt(0.5), rel=0.1)
    assert rms(out[int(2.8 * RATE) : int(3.2 * RATE)]) == pytest.approx(0.04 * 0.707, rel=0.2)
    half = dsp.match_envelope(ours, RATE, model, 8000, 0.5)
    assert rms(out[:RATE]) > rms(half[:RATE]) > rms(ours[:RATE])


def test_envelope_keeps_silence_silent_and_finite():
    out = dsp.match_envelope(np.zeros(RATE, np.float32), RATE, tone(100), RATE, 0)
    assert not out.any()
    out = dsp.match_envelope(tone(100), RATE, np.zeros(RATE, np.float32), RATE, 0)
    assert np.isfinite(out).all()


def test_cuts_fall_into_the_gaps_not_into_loud_sound():
    wave = tone(100, 10)
    gaps = [int(2.6 * RATE), int(5.2 * RATE), int(7.3 * RATE)]
    for gap in gaps:
        wave[gap : gap + 800] = 0
    cuts = dsp.quiet_cuts(wave, round(2.5 * RATE), RATE // 2)
    assert len(cuts) == 3
    assert all(gap <= cut <= gap + 800 for gap, cut in zip(gaps, cuts, strict=True))
    assert all(cut % 160 == 0 for cut in cuts)


def test_cuts_always_advance():
    cuts = dsp.quiet_cuts(np.zeros(10 * RATE, np.float32), RATE, RATE)
    assert cuts == sorted(set(cuts))
    assert all(0 < cut < 10 * RATE for cut in cuts)
    assert dsp.quiet_cuts(tone(100, 1), RATE, 800) == []


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
