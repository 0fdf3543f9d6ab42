"""Spectrograms and mel losses are the ones that public voices were trained with."""

import pytest
import torch

from rvc.audio import mel
from rvc.nets import config
from rvc.train import losses
from tests.nets.golden import array, numbers


def test_spectrogram_and_mel_match_the_original():
    wave, s = array("disc.real")[:, 0], config.load(40000)
    spec = mel.spectrogram(wave, s.filter_length, s.hop_length, s.win_length)
    assert torch.allclose(spec, array("spec40k"), atol=1e-5)
    shape = (s.sample_rate, s.filter_length, s.hop_length, s.win_length, s.n_mel_channels)
    assert torch.allclose(mel.mel(wave, *shape), array("mel40k"), atol=1e-4)


def test_a_wave_has_one_frame_per_hop():
    assert mel.spectrogram(torch.zeros(2, 40000), 2048, 400, 2048).shape == (2, 1025, 100)


def test_mel_losses_match_the_original_and_vanish_for_equal_sound():
    real, fake = array("disc.real"), array("disc.fake")
    known = numbers("losses")
    assert float(losses.multiscale_mel_loss(real, fake, 24000)) == pytest.approx(
        known["multiscale_mel_24k"], rel=1e-4
    )
    assert float(losses.multiscale_mel_loss(real, real, 24000)) == 0


def test_kl_matches_the_original_and_survives_half_precision():
    terms = [array(f"kl.{k}") for k in ("z_p", "logs_q", "m_p", "logs_p")]
    mask = torch.zeros(1, 1, 50)
    mask[..., :45] = 1
    assert float(losses.kl_loss(*terms, mask)) == pytest.approx(numbers("losses")["kl"], rel=1e-5)
    deep = torch.full((1, 4, 3), -6.0, dtype=torch.float16)  # exp(12) is beyond float16
    zeros = torch.zeros_like(deep)
    assert torch.isfinite(losses.kl_loss(zeros + 0.1, zeros, zeros, deep, torch.ones(1, 1, 3)))


def test_what_inference_kept_serves_training_too():
    shape = (16000, 256, 64, 256, 13)
    with torch.inference_mode():
        mel.mel(torch.rand(1, 640), *shape)
    wave = torch.rand(1, 640, requires_grad=True)
    mel.mel(wave, *shape).sum().backward()
    assert wave.grad.isfinite().all()
    assert wave.grad.abs().sum() > 0
