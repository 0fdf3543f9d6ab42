"""Loudness, true peak and envelope, measured while sound streams by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from rvc.audio import dsp, levels


@pytest.mark.parametrize("rate", [16_000, 32_000, 44_100, 48_000])
def test_loudness_of_the_standards_reference_tone(rate: int) -> None:
    meter = dsp.Loudness(rate)
    tone = np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate)
    for part in np.array_split(tone, 37):
        meter.add(part)
    assert meter.lufs() == pytest.approx(-3.01, abs=0.1)
    quieter = dsp.Loudness(rate)
    quieter.add(np.concatenate([tone * 0.1, np.zeros(20 * rate)]))
    assert quieter.lufs() == pytest.approx(-23.01, abs=0.3), "silence is gated out"
    assert dsp.Loudness(rate).lufs() == -np.inf


def test_true_peak_sees_between_the_samples() -> None:
    n = np.arange(4000)
    wave = np.sin(np.pi / 2 * n + np.pi / 4)  # samples at 0.707, peaks of 1 between them
    meter = dsp.TruePeak()
    for part in np.array_split(wave, 13):
        meter.add(part)
    assert meter.peak == pytest.approx(1, abs=0.02)
    edge = dsp.TruePeak()
    edge.add(np.array([0.25]))
    assert edge.peak == 0.25


def test_envelope_brings_the_results_level_to_the_inputs() -> None:
    rate = 2205  # no whole number of samples per step
    rng = np.random.default_rng(0)
    source, made = levels.Envelope(rate, 100), levels.Envelope(2 * rate, 100)
    for part in np.array_split(rng.standard_normal(10 * rate) * 0.5, 7):
        source.add(part)
    made.add(rng.standard_normal(20 * rate) * 0.1)
    assert len(source.power()) == len(made.power()) == 1000
    gain = levels.envelope_gain(source.power(), made.power(), 0.0)
    assert np.exp(np.log(gain).mean()) == pytest.approx(5, rel=0.1)
    assert np.allclose(levels.envelope_gain(source.power(), made.power(), 1.0), 1)
    halfway = levels.envelope_gain(source.power(), made.power(), 0.5)
    assert np.exp(np.log(halfway).mean()) == pytest.approx(5**0.5, rel=0.1)
    mute = levels.Envelope(2 * rate, 100)
    mute.add(np.zeros(20 * rate))
    gain = levels.envelope_gain(source.power(), mute.power(), 0.0)
    assert gain.max() <= 32, "never noise lifted"


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7])
def test_the_gain_follows_a_step_within_50_ms_and_never_lifts_far_above_the_input(
    keep: float,
) -> None:
    source, made = np.full(400, 10**-5.9), np.full(400, 10**-3.0)
    source[200:] = 10**-2.0
    made[195:] = 10**-2.5  # the network begins a little early
    gain = levels.envelope_gain(source, made, keep)
    result = made * gain**2
    nearby = np.array([source[max(0, k - 6) : k + 7].max() for k in range(400)])
    lifted = gain > 1
    assert (result[lifted] <= nearby[lifted] * 10**1.2 * 1.01).all()
    wanted = made**keep * source ** (1 - keep)
    settled = (np.arange(400) < 190) | (np.arange(400) > 205)
    assert np.allclose(10 * np.log10(result[settled] / wanted[settled]), 0, atol=1.5)


def test_power_of_steps_is_that_of_their_own_samples() -> None:
    meter = levels.Envelope(1050, 100)
    wave = np.arange(1050, dtype=np.float32) / 1050
    for part in np.array_split(wave, 11):
        meter.add(part)
    edges = np.arange(101) * 1050 // 100
    right = [np.mean(np.square(wave[a:b])) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    assert np.allclose(meter.power(), right, rtol=1e-5)


def test_pauses_do_not_count() -> None:
    rate = 16_000
    speech = 0.1 * np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate)
    short, long = dsp.Loudness(rate), dsp.Loudness(rate)
    short.add(speech)
    long.add(speech)
    long.add(np.zeros(10 * rate))
    assert long.lufs() == pytest.approx(short.lufs(), abs=0.3)


@pytest.mark.parametrize("block", [997, 5000, 200_000])
def test_the_true_peak_leaves_out_only_what_cannot_be_it(block: int) -> None:
    rng = np.random.default_rng(8)
    wave = 0.02 * rng.standard_normal((120_000, 2))
    wave[70_000:70_040, 1] += 0.6 * np.sin(np.arange(40) * np.pi / 2 + np.pi / 4)  # peak between
    whole = signal.resample_poly(np.pad(wave, ((200, 200), (0, 0))), 16, 1, axis=0)
    meter = dsp.TruePeak(2)
    for start in range(0, len(wave), block):
        meter.add(wave[start : start + block])
    assert meter.peak == pytest.approx(np.abs(whole).max(), rel=0.03)
    assert meter.peak > 1.2 * np.abs(wave).max()
