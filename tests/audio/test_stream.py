"""Resampling keeps tones, in one piece and in blocks, and trained voices hear the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rvc.audio.stream import StreamResampler, resample
from rvc.nets.refinegan import kaiser_resample

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "kaiser.npz"  # of torchaudio 2.11


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


def test_the_kaiser_resampler_removes_what_the_lower_rate_cannot_hold() -> None:
    high = torch.from_numpy(tone(40000, 15000.0))[None]
    low = torch.from_numpy(tone(40000, 1000.0))[None]
    middle = slice(1000, -1000)
    assert kaiser_resample(high, 2, 1)[:, middle].abs().max() < 1e-3
    kept = kaiser_resample(low, 2, 1)[0, middle]
    assert torch.allclose(kept, low[0, ::2][middle], atol=1e-3)


def test_the_kaiser_resampler_gives_torchaudios_samples() -> None:
    wave = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32))
    with np.load(GOLDEN) as golden:
        assert set(golden) == {"2", "8", "10"}
        for factor, want in golden.items():
            got = kaiser_resample(wave, int(factor), 1).numpy()
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("start", "end"), [(7, 3), (1, 5), (480, 441), (5, 5)])
def test_any_ratio_keeps_a_tone_and_the_length(start: int, end: int) -> None:
    wave = torch.from_numpy(tone(16000))
    out = kaiser_resample(wave, start, end)
    assert len(out) == -(-16000 * end // start)
    want = np.sin(2 * np.pi * 440 * np.arange(len(out)) * start / end / 16000)
    middle = slice(len(out) // 10, -len(out) // 10)
    assert np.abs(out.numpy() - want)[middle].max() < 1e-3


@pytest.mark.parametrize("shape", [(20000,), (20000, 2)])
@pytest.mark.parametrize(("start", "end"), [(44100, 16000), (16000, 16000)])
def test_blocks_give_what_the_whole_gives(start: int, end: int, shape: tuple[int, ...]) -> None:
    wave = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    stream = StreamResampler(start, end, 1 if len(shape) == 1 else shape[1])
    parts = [stream(part) for part in np.array_split(wave, 7)]
    parts.append(stream(None, last=True))
    np.testing.assert_allclose(np.concatenate(parts), resample(wave, start, end), atol=1e-5)


def test_what_inference_kept_serves_training_too() -> None:
    with torch.inference_mode():
        kaiser_resample(torch.ones(1, 1, 70), 7, 3)
    wave = torch.ones(1, 1, 70, requires_grad=True)
    kaiser_resample(wave, 7, 3).sum().backward()
    assert wave.grad is not None
    assert wave.grad.abs().sum() > 0
