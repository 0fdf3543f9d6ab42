"""Effects, formant shift and noise reduction: lengths hold, silence stays, the mapping is right."""

from __future__ import annotations

import importlib.util
import subprocess
from typing import Any

import numpy as np
import pytest

from rvc.audio import effects
from rvc.errors import MissingModel, VoiceError
from rvc.params import Effects

RATE = 16000
needs_pedalboard = pytest.mark.skipif(
    importlib.util.find_spec("pedalboard") is None, reason="pedalboard is optional"
)
needs_shifter = pytest.mark.skipif(
    importlib.util.find_spec("stftpitchshift") is None, reason="stftpitchshift is optional"
)


def vowel(
    seconds: float = 1.0, f0_hz: int = 120, formants_hz: tuple[int, int, int] = (700, 1200, 2600)
) -> np.ndarray:
    """Harmonics under resonances: pitch and formants are known."""
    t = np.arange(round(seconds * RATE)) / RATE
    wave = np.zeros(len(t))
    for k in range(1, int(7000 / f0_hz)):
        gain = sum(1 / (1 + ((k * f0_hz - f) / 120) ** 2) for f in formants_hz)
        wave += gain * np.sin(2 * np.pi * k * f0_hz * t)
    return np.asarray(0.3 * wave / np.abs(wave).max(), np.float32)


def apply(wave: np.ndarray, p: Effects) -> np.ndarray:
    return effects.Chain(effects.wanted(p), p)(wave, RATE, reset=True)


def centroid_hz(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float((power * np.fft.rfftfreq(len(wave), 1 / RATE)).sum() / power.sum())


def pitch_hz(wave: np.ndarray) -> float:
    wave = wave[4000:12000].astype(np.float64)
    lags = np.correlate(wave, wave, "full")[len(wave) :]
    return float(RATE / (lags[40:400].argmax() + 41))


@needs_pedalboard
@pytest.mark.parametrize("name", list(effects.CHAIN))
def test_every_effect_works_and_keeps_the_length(name: str) -> None:
    wave = vowel()
    values: dict[str, Any] = {
        "pitch_shift_semitones": 3,
        "gain_db": -6,
        "compressor_threshold": -20,
    }
    values |= {"clipping_threshold": -20, "compressor_ratio": 4, name: True}
    p = Effects(post_process=True, **values)
    out = apply(wave, p)
    assert out.shape == wave.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert np.abs(out - wave).max() > 1e-3
    stereo = apply(np.stack([wave, wave], 1), p)
    assert stereo.shape == (len(wave), 2)


@needs_pedalboard
def test_gain_is_gain() -> None:
    out = apply(vowel(), Effects(post_process=True, gain=True, gain_db=-20))
    np.testing.assert_allclose(out, vowel() / 10, atol=1e-6)


@needs_pedalboard
def test_order_of_the_chain_is_fixed() -> None:
    """Limiter before gain: what the gain adds is not taken back."""
    p = Effects(post_process=True, limiter=True, limiter_threshold=-30, gain=True, gain_db=20)
    assert np.abs(apply(vowel(), p)).max() > 10 ** (-25 / 20)


def test_switched_off_is_off() -> None:
    assert effects.wanted(Effects(reverb=True)) == []
    assert effects.wanted(Effects(post_process=True)) == []


def test_every_parameter_is_in_the_chain() -> None:
    used = {field for _, arguments in effects.CHAIN.values() for field in arguments.values()}
    used |= set(effects.CHAIN) | {"post_process", "formant_shifting"}
    used |= {"formant_qfrency", "formant_timbre", "plugin_effects"}
    assert used == set(Effects.model_fields)


@pytest.mark.parametrize("fault", ["absent", "crashes", "hangs"])
def test_a_bad_pedalboard_is_a_sentence(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    effects._pedalboard.cache_clear()

    def probe(command: list[str], timeout: float = 0, **_: Any) -> subprocess.CompletedProcess[str]:
        if fault == "hangs":
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, -4)

    spec = None if fault == "absent" else object()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setattr(subprocess, "run", probe)
    kind = MissingModel if fault == "absent" else VoiceError
    with pytest.raises(kind, match="pedalboard") as caught:
        apply(vowel(), Effects(post_process=True, gain=True))
    assert "pedalboard==" in caught.value.hint
    effects._pedalboard.cache_clear()


@needs_shifter
@pytest.mark.parametrize("timbre", [0.8, 1.25])
def test_formants_move_and_pitch_stays(timbre: float) -> None:
    wave = vowel()
    out = effects.formant_shift(wave, RATE, 1.0, timbre)
    assert out.shape == wave.shape
    assert pitch_hz(out) == pytest.approx(120, rel=0.02)
    change = centroid_hz(out) / centroid_hz(wave)
    assert change > 1.05 if timbre > 1 else change < 0.95


@needs_shifter
def test_formant_shift_in_stretches_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = vowel(4)
    whole = effects.formant_shift(wave, RATE, 1.0, 1.2)
    monkeypatch.setattr(effects, "CHUNK_S", 1.5)
    parts = effects.formant_shift(wave, RATE, 1.0, 1.2)
    error = np.sqrt(np.mean((whole - parts)[1000:-1000] ** 2) / np.mean(whole**2))
    assert error < 10 ** (-40 / 20)


@pytest.mark.parametrize(("quefrency", "timbre"), [(0, 1.3), (1, 1)])
def test_neutral_formants_change_nothing(quefrency: int, timbre: float) -> None:
    wave = vowel()
    assert effects.formant_shift(wave, RATE, quefrency, timbre) is wave


def test_noise_reduction_lowers_noise_and_keeps_the_voice() -> None:
    rng = np.random.default_rng(0)
    noise = (0.01 * rng.standard_normal(4 * RATE)).astype(np.float32)
    wave = noise.copy()
    syllables = vowel() * np.repeat([1, 0] * 3 + [1, 0], RATE // 8)
    wave[RATE : 2 * RATE] += syllables
    out = effects.denoise(wave, RATE, 0.9)

    def level(x: np.ndarray) -> float:
        return float(np.sqrt(np.mean(x**2)))

    assert out.shape == wave.shape
    assert level(out[3 * RATE :]) < 0.5 * level(noise[3 * RATE :])
    before = level(wave[RATE : 2 * RATE]) / level(noise[3 * RATE :])
    assert level(out[RATE : 2 * RATE]) / level(out[3 * RATE :]) > 2 * before
    assert effects.denoise(wave, RATE, 0) is wave


@pytest.mark.parametrize("size", [1, 100, 5000, 40000])
def test_silence_and_scraps_survive_noise_reduction(size: int) -> None:
    silent = np.zeros(size, np.float32)
    assert not effects.denoise(silent, RATE, 0.7).any()
    half = silent.copy()
    half[size // 2 :] = 0.1
    assert np.isfinite(effects.denoise(half, RATE, 1.0)).all()
