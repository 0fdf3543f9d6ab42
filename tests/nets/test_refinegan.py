"""The resampler inside RefineGAN: trained voices hear the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rvc.nets.refinegan import kaiser_resample
from tests.audio.test_stream import tone

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "kaiser.npz"  # of torchaudio 2.11


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


def test_what_inference_kept_serves_training_too() -> None:
    with torch.inference_mode():
        kaiser_resample(torch.ones(1, 1, 70), 7, 3)
    wave = torch.ones(1, 1, 70, requires_grad=True)
    kaiser_resample(wave, 7, 3).sum().backward()
    assert wave.grad is not None
    assert wave.grad.abs().sum() > 0
