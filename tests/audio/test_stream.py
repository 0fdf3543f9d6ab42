"""Resampling keeps tones, in one piece and in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.audio.stream import StreamResampler, resample


def tone(rate: int, hz: float = 440.0, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize(("start", "end"), [(44100, 16000), (16000, 48000), (8000, 16000)])
def test_a_tone_stays_the_same_tone(start: int, end: int) -> None:
    out = resample(tone(start), start, end)
    assert out.dtype == np.float32
    assert len(out) == end
    middle = slice(end // 10, -end // 10)
    assert np.abs(out - tone(end))[middle].max() < 1e-3


def test_equal_rates_and_empty_sound_pass_untouched() -> None:
    wave = tone(16000)
    assert resample(wave, 16000, 16000) is wave
    assert len(resample(wave[:0], 44100, 16000)) == 0


@pytest.mark.parametrize("shape", [(20000,), (20000, 2)])
@pytest.mark.parametrize(("start", "end"), [(44100, 16000), (16000, 16000)])
def test_blocks_give_what_the_whole_gives(start: int, end: int, shape: tuple[int, ...]) -> None:
    wave = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    stream = StreamResampler(start, end, 1 if len(shape) == 1 else shape[1])
    parts = [stream(part) for part in np.array_split(wave, 7)]
    parts.append(stream(None, last=True))
    np.testing.assert_allclose(np.concatenate(parts), resample(wave, start, end), atol=1e-5)
