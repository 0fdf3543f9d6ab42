"""What befalls speech before it is judged does what its name says, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.evaluate import conditions

RATE_HZ = 24000
TIME_S = np.arange(RATE_HZ) / RATE_HZ


def voiced(f0_hz: float = 150.0) -> np.ndarray:
    """One second of a buzz with harmonics to 7.5 kHz (T,)."""
    tones = [np.sin(2 * np.pi * f0_hz * k * TIME_S) / k for k in range(1, int(7500 / f0_hz))]
    return np.asarray(0.2 * np.sum(tones, axis=0), np.float32)


def power(wave: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Of a band."""
    spectrum = np.abs(np.fft.rfft(wave)) ** 2
    hz = np.fft.rfftfreq(len(wave), 1 / RATE_HZ)
    return float(spectrum[(hz >= low_hz) & (hz < high_hz)].sum())


def heard(name: str, wave: np.ndarray, key: str = "a.wav") -> np.ndarray:
    return conditions.applied(name, wave, RATE_HZ, key)[1]


@pytest.mark.parametrize("name", ["telephone", "room", "noise5", "music5", "whispered"])
def test_a_condition_is_the_same_for_a_recording_and_another_for_the_next(name: str) -> None:
    wave = voiced()
    one, again, other = (heard(name, wave, key) for key in ("a", "a", "b"))
    assert len(one) == len(wave)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.abs(one).max() == pytest.approx(np.abs(wave).max(), rel=1e-4)


def test_a_telephone_has_no_low_and_no_high_band() -> None:
    wave = voiced()
    out = heard("telephone", wave)
    assert power(out, 0, 180) < 0.02 * power(wave, 0, 180)
    assert power(out, 4200, 12000) < 0.02 * power(wave, 4200, 12000)


@pytest.mark.parametrize("kind", ["noise", "music"])
@pytest.mark.parametrize("level_db", [-3, 5, 20])
def test_a_number_is_the_level_below_the_speech(kind: str, level_db: int) -> None:
    wave = voiced()
    out = heard(f"{kind}{level_db}", wave).astype(np.float64)
    gain = float(out @ wave) / float(wave @ wave)
    rest = out / gain - wave
    assert 10 * np.log10(wave.var() / rest.var()) == pytest.approx(level_db, abs=0.7)


def test_clipped_speech_stays_at_the_rail() -> None:
    out = heard("clipped", voiced())
    assert (np.abs(out) > 0.999 * np.abs(out).max()).mean() > 0.1


def test_a_whisper_has_the_spectrum_and_no_pitch() -> None:
    wave = voiced()
    said, out = conditions.applied("whispered", wave, RATE_HZ, "a")
    assert np.array_equal(said, out)  # the result should follow it
    for low, high in ((300, 1500), (1500, 4000)):
        levels_db = [10 * np.log10(power(w, low, high) / power(w, 0, 12000)) for w in (wave, out)]
        assert abs(levels_db[0] - levels_db[1]) < 4
    lag = RATE_HZ // 150
    assert wave[lag:] @ wave[:-lag] > 0.9 * (wave @ wave)
    assert abs(out[lag:] @ out[:-lag]) < 0.2 * (out @ out)


def test_a_child_is_higher_and_a_bass_lower() -> None:
    for name, ratio in (("child", conditions.CHILD), ("bass", conditions.BASS)):
        said, out = conditions.applied(name, voiced(), RATE_HZ, "a")
        assert np.array_equal(said, out)
        peak = np.argmax(np.abs(np.fft.rfft(out))) * RATE_HZ / len(out)
        assert peak == pytest.approx(150 * ratio, rel=0.01)


def test_what_is_said_stays_what_was_said_before_the_line_spoilt_it() -> None:
    wave = voiced()
    said, out = conditions.applied("noise5", wave, RATE_HZ, "a")
    assert np.array_equal(said, wave)
    assert not np.array_equal(out, wave)
    said, out = conditions.applied("", wave, RATE_HZ, "a")
    assert out is said


def test_an_unknown_condition_is_refused_with_those_that_are_known() -> None:
    assert conditions.listed(" telephone, noise-3,") == ["telephone", "noise-3"]
    assert conditions.listed(None) == []
    with pytest.raises(BadInput, match="'nois5' is no condition") as caught:
        conditions.listed("telephone,nois5")
    assert "music5" in caught.value.hint
