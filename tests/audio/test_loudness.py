"""Loudness, true peak and envelope, measured while sound streams by."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.audio import dsp
from rvc.infer import postprocess


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
    rate = 1000
    rng = np.random.default_rng(0)
    source, made = postprocess.Envelope(rate), postprocess.Envelope(2 * rate)
    for part in np.array_split(rng.standard_normal(10 * rate) * 0.5, 7):
        source.add(part)
    made.add(rng.standard_normal(20 * rate) * 0.1)
    gain = postprocess.envelope_gain(source.rms(), made.rms(), 0.0)
    assert np.allclose(gain[1:-2], 5, rtol=0.15)
    assert np.allclose(postprocess.envelope_gain(source.rms(), made.rms(), 1.0), 1)
    halfway = postprocess.envelope_gain(source.rms(), made.rms(), 0.5)
    assert np.allclose(halfway[1:-2], 5**0.5, rtol=0.1)
    mute = postprocess.Envelope(2 * rate)
    mute.add(np.zeros(20 * rate))
    assert postprocess.envelope_gain(source.rms(), mute.rms(), 0.0).max() <= 32, (
        "never noise lifted"
    )


def test_pauses_do_not_count() -> None:
    rate = 16_000
    speech = 0.1 * np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate)
    short, long = dsp.Loudness(rate), dsp.Loudness(rate)
    short.add(speech)
    long.add(speech)
    long.add(np.zeros(10 * rate))
    assert long.lufs() == pytest.approx(short.lufs(), abs=0.3)
