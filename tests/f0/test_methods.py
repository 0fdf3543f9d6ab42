"""Every extractor whose weights come with a package, on sounds of known pitch."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import signal

from rvc import f0
from rvc.audio import io
from rvc.f0 import Extractor, contour, crepe, fcpe, swift_f0
from rvc.tools import demo
from tests.f0 import sounds

LIGHT = ("fcpe", "crepe-tiny", "swift-f0")


@functools.cache
def extractor(name: str) -> Extractor:
    return f0.load(name)


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("samples", [0, 1, 100, 159, 160, 161, 700, 5000, 16000])
def test_one_frame_per_ten_milliseconds_and_one_for_the_end(name: str, samples: int) -> None:
    out = extractor(name)(sounds.tone(200)[:samples])
    assert out.shape == (samples // 160 + 1,)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


@pytest.mark.parametrize("name", LIGHT)
def test_silence_is_unvoiced(name: str) -> None:
    assert not extractor(name)(np.zeros(16000, np.float32)).any()


@pytest.mark.parametrize("name", LIGHT)
def test_a_broken_recording_gives_no_broken_pitch(name: str) -> None:
    wave = sounds.tone(200)
    wave[4000:4500] = np.nan
    assert np.isfinite(extractor(name)(wave)).all()


@pytest.mark.parametrize("name", LIGHT)
def test_sweep_from_60_to_1600_hz(name: str) -> None:
    wave, truth = sounds.sweep(60, 1600, 5.0)
    assert sounds.gross_error(extractor(name)(wave)[5:-5], truth[5:-5]) < 0.02


@pytest.mark.parametrize("hz", [1100, 1200, 1400, 1600])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_fcpe_hears_high_notes_with_vibrato_and_breath(hz: float, noise: float) -> None:
    t = np.arange(2 * sounds.RATE) / sounds.RATE
    truth = hz * 2 ** (np.sin(2 * np.pi * 5.5 * t) / 24)
    hiss = noise * np.random.default_rng(0).standard_normal(len(t)).astype(np.float32)
    found = extractor("fcpe")(sounds.voice(truth) + hiss)[10:-10]
    assert sounds.gross_error(found, truth[::160][10 : 10 + len(found)]) < 0.02


@pytest.mark.parametrize("band_hz", [(50, 7500), (1000, 3000), (1200, 1800), (4000, 7500)])
def test_noise_is_no_high_note(band_hz: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).standard_normal(5 * sounds.RATE)
    sos = signal.butter(4, band_hz, "bandpass", fs=sounds.RATE, output="sos")
    hiss = signal.sosfilt(sos, noise)
    found = extractor("fcpe")((0.3 * hiss / np.abs(hiss).max()).astype(np.float32))
    assert np.mean(found > 1100) < 0.01


def test_speech_is_heard_as_before_and_its_high_stretches_are_few() -> None:
    wave = io.load(demo.SAMPLE, sounds.RATE)[0]
    method = extractor("fcpe")
    assert isinstance(method, fcpe.FCPE)
    once = contour.finish(method.heard(wave)[0], wave)
    assert np.array_equal(method(wave), once)
    assert sum(last - first for first, last in fcpe.stretches(wave)) < 0.03 * len(once)


def telephone(wave: np.ndarray) -> np.ndarray:
    sos = signal.butter(6, [300, 3400], "bandpass", fs=sounds.RATE, output="sos")
    return np.asarray(signal.sosfiltfilt(sos, wave), np.float32)


def test_fcpe_says_once_that_a_telephone_has_no_low_band(caplog: pytest.LogCaptureFixture) -> None:
    wave = io.load(demo.SAMPLE, sounds.RATE)[0]
    fresh = fcpe.FCPE()
    fresh(wave)
    assert not caplog.records
    for _ in range(2):
        fresh(telephone(wave))
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "The recording has next to no sound below 250 Hz"
    ]


@pytest.mark.parametrize("hz", [300, 450, 1000])
def test_high_notes_are_no_telephone(hz: float) -> None:
    t = np.arange(2 * sounds.RATE) / sounds.RATE
    wave = sounds.voice(hz * 2 ** (np.sin(2 * np.pi * 5.5 * t) / 24))
    assert not fcpe.lacks_fundamental(wave, extractor("fcpe")(wave))


@pytest.mark.parametrize("samples", [0, 5000])
def test_silence_is_no_telephone(samples: int) -> None:
    frames = contour.frame_count(samples)
    assert not fcpe.lacks_fundamental(np.zeros(samples, np.float32), np.zeros(frames, np.float32))


@pytest.mark.parametrize("name", LIGHT)
def test_an_octave_up_doubles_the_measured_pitch(name: str) -> None:
    low, higher = (np.median(extractor(name)(sounds.tone(hz))[10:-10]) for hz in (180, 360))
    assert higher / low == pytest.approx(2, rel=0.01)
    assert low == pytest.approx(180, rel=0.01)


def test_full_crepe_hears_a_tone() -> None:
    out = extractor("crepe")(sounds.tone(220, 0.3))
    assert np.median(out) == pytest.approx(220, rel=0.005)


@pytest.mark.parametrize(
    ("name", "module"), [("fcpe", fcpe), ("crepe-tiny", crepe), ("swift-f0", swift_f0)]
)
def test_the_size_of_a_block_does_not_change_the_pitch(
    name: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = np.concatenate([sounds.sweep(80, 1500, 4.0)[0], np.zeros(8000, np.float32)] * 2)
    whole = extractor(name)(wave)
    monkeypatch.setattr(module, "BLOCK", 200)
    pieces = extractor(name)(wave)
    assert np.array_equal(whole > 0, pieces > 0)
    assert np.abs(whole - pieces).max() < 0.01


@pytest.mark.parametrize("name", LIGHT)
def test_threads_that_share_an_extractor_get_the_same_pitch(name: str) -> None:
    waves = [sounds.tone(hz, 0.5) for hz in (100, 200, 300, 400)]
    alone = [extractor(name)(w) for w in waves]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(extractor(name), waves))
    for a, b in zip(alone, together, strict=True):
        assert np.allclose(a, b, atol=1e-3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", LIGHT)
def test_a_wave_that_lies_in_a_file_gives_the_same(name: str, tmp_path: Path) -> None:
    wave = sounds.tone(200, 0.5)
    wave.tofile(tmp_path / "w.f32")
    mapped = np.memmap(tmp_path / "w.f32", np.float32, "r")
    assert np.array_equal(extractor(name)(mapped), extractor(name)(wave))


def test_samples_mirror_at_both_ends_and_repeat_for_short_sounds() -> None:
    wave = np.arange(5, dtype=np.float32)
    assert contour.samples(wave, -2, 7).tolist() == [2, 1, 0, 1, 2, 3, 4, 3, 2]
    assert contour.samples(wave, -2, 7, reflect=False).tolist() == [0, 0, 0, 1, 2, 3, 4, 0, 0]
    assert contour.samples(wave, 6, 8, reflect=False).tolist() == [0, 0]
    assert contour.samples(wave[:1], -2, 3).tolist() == [0] * 5
    assert contour.samples(wave[:0], 0, 3).tolist() == [0] * 3


@pytest.mark.parametrize("frames", [1, 99, 100, 120, 121, 1000])
def test_spans_cover_every_frame_once(frames: int) -> None:
    pieces = list(contour.spans(frames, 100, 10))
    assert [f for p in pieces for f in range(p.start, p.stop)] == list(range(frames))
    assert all(p.first <= p.start and p.last >= p.stop for p in pieces)
    assert all(len(range(p.first, p.last)[p.keep]) == p.stop - p.start for p in pieces)
