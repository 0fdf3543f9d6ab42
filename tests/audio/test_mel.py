"""Spectrograms and mel losses are the ones that public voices were trained with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch

from rvc.audio import dsp, mel
from rvc.nets import config
from rvc.train import losses
from tests.nets.golden import array, numbers

ROOT = Path(__file__).parents[2]
BANKS = [  # rate, window, bands, low, high, htk: voices, losses, RMVPE, FCPE, Whisper
    (32000, 1024, 80, 0.0, None, False),
    (40000, 2048, 125, 0.0, None, False),
    (48000, 2048, 128, 0.0, None, False),
    (24000, 32, 5, 0.0, None, False),
    (16000, 1024, 128, 30.0, 8000.0, True),
    (16000, 1024, 128, 0.0, 8000.0, False),
    (16000, 400, 80, 0.0, None, False),
    (16000, 2048, 24, 1200.0, 6500.0, False),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rate", "n_fft", "n_mels", "low_hz", "high_hz", "htk"), BANKS)
def test_the_bank_is_librosas_to_the_last_bit(
    rate: int, n_fft: int, n_mels: int, low_hz: float, high_hz: float | None, htk: bool, dtype: Any
) -> None:
    want = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=low_hz, fmax=high_hz, htk=htk, dtype=dtype
    )
    got = dsp.mel_bank(rate, n_fft, n_mels, low_hz, high_hz, htk, dtype)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("htk", [True, False])
def test_mel_filters_have_equal_area(htk: bool) -> None:
    bank = dsp.mel_bank(16000, 1024, 40, htk=htk)
    area = bank.sum(axis=1) * (16000 / 1024)
    assert np.abs(area[20:] - 1).max() < 0.1
    assert (bank >= 0).all()


def test_training_and_conversion_do_without_librosa() -> None:
    code = (
        "import sys, torch, rvc.train.step, rvc.infer.voice, rvc.f0.fcpe, rvc.f0.rmvpe\n"
        "import rvc.embedders.whisper, rvc.dataset.extract\n"
        "from rvc.audio import mel\n"
        "mel.mel(torch.zeros(1, 2048), 16000, 512, 128, 512, 40)\n"
        "sys.exit(str([m for m in ('librosa', 'numba', 'sklearn') if m in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_spectrogram_and_mel_match_the_original() -> None:
    wave, s = array("disc.real")[:, 0], config.load(40000)
    spec = mel.spectrogram(wave, s.filter_length, s.hop_length, s.win_length)
    assert torch.allclose(spec, array("spec40k"), atol=1e-5)
    shape = (s.sample_rate, s.filter_length, s.hop_length, s.win_length, s.n_mel_channels)
    assert torch.allclose(mel.mel(wave, *shape), array("mel40k"), atol=1e-4)


def test_a_wave_has_one_frame_per_hop() -> None:
    assert mel.spectrogram(torch.zeros(2, 40000), 2048, 400, 2048).shape == (2, 1025, 100)


def test_mel_losses_match_the_original_and_vanish_for_equal_sound() -> None:
    real, fake = array("disc.real"), array("disc.fake")
    known = numbers("losses")
    assert float(losses.multiscale_mel_loss(real, fake, 24000)) == pytest.approx(
        known["multiscale_mel_24k"], rel=1e-4
    )
    assert float(losses.multiscale_mel_loss(real, real, 24000)) == 0


def test_kl_matches_the_original_and_survives_half_precision() -> None:
    z_p, logs_q, m_p, logs_p = (array(f"kl.{k}") for k in ("z_p", "logs_q", "m_p", "logs_p"))
    mask = torch.zeros(1, 1, 50)
    mask[..., :45] = 1
    loss = float(losses.kl_loss(z_p, logs_q, m_p, logs_p, mask))
    assert loss == pytest.approx(numbers("losses")["kl"], rel=1e-5)
    deep = torch.full((1, 4, 3), -6.0, dtype=torch.float16)  # exp(12) is beyond float16
    zeros = torch.zeros_like(deep)
    assert torch.isfinite(losses.kl_loss(zeros + 0.1, zeros, zeros, deep, torch.ones(1, 1, 3)))


def test_what_inference_kept_serves_training_too() -> None:
    shape = (16000, 256, 64, 256, 13)
    with torch.inference_mode():
        mel.mel(torch.rand(1, 640), *shape)
    wave = torch.rand(1, 640, requires_grad=True)
    mel.mel(wave, *shape).sum().backward()
    assert wave.grad is not None
    assert wave.grad.isfinite().all()
    assert wave.grad.abs().sum() > 0


def test_spectra_of_a_batch_are_those_of_each_up_to_its_own_end() -> None:
    hop, frames = 40, [50, 31, 20]
    waves = torch.randn(3, 50 * hop, generator=torch.Generator().manual_seed(0))
    made = mel.spectrograms(waves, torch.tensor(frames), 256, hop, 256)
    for row, wave, count in zip(made, waves, frames, strict=True):
        alone = mel.spectrogram(wave[None, : count * hop], 256, hop, 256)[0]
        assert torch.allclose(row[:, :count], alone, atol=1e-5)
        assert not row[:, count:].any()
