"""Spectrograms as the public voices were trained on: magnitude, mel, log; losses build on them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.audio.dsp import mel_bank

FLOOR = 1e-5


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # kept for training too
def filters(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    device: str = "cpu",
) -> Tensor:
    """Slaney mel filters, (n_mels, n_fft // 2 + 1) f32 on `device`, made once."""
    bank = mel_bank(sample_rate, n_fft, n_mels, low_hz, high_hz, dtype=np.float32)
    return torch.from_numpy(bank).to(device)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def hann(length: int, device: str = "cpu") -> Tensor:
    """Periodic Hann window, (length,) f32, made once per device."""
    return torch.hann_window(length, device=device)


def spectrogram(wave: Tensor, n_fft: int, hop: int, window: int) -> Tensor:
    """Linear magnitude spectrogram, the input of the posterior encoder.

    Args:
        wave: (B, T) in -1..1; half precision is raised to float32.

    Returns:
        (B, n_fft // 2 + 1, T // hop) f32: frame t is centred on sample (t + 1/2) * hop.
    """
    padding = (n_fft - hop) // 2
    wave = F.pad(wave.float()[:, None], (padding, padding), mode="reflect")[:, 0]
    return _magnitude(wave, n_fft, hop, window)


def spectrograms(wave: Tensor, lengths: Tensor, n_fft: int, hop: int, window: int) -> Tensor:
    """`spectrogram` of sounds that end at different places, each up to its own end.

    Args:
        wave: (B, T * hop). lengths: (B,) frames of each; n_fft / hop at least.

    Returns:
        (B, n_fft // 2 + 1, T) f32, zero beyond the end of each.
    """
    frames, padding = wave.shape[1] // hop, (n_fft - hop) // 2
    at = torch.arange(-padding, frames * hop + padding, device=wave.device).abs()[None]
    last = lengths[:, None] * hop - 1
    mirrored = torch.where(at > last, 2 * last - at, at).clamp(min=0)
    made = _magnitude(wave.float().gather(1, mirrored), n_fft, hop, window)
    inside = torch.arange(frames, device=wave.device)[None] < lengths[:, None]
    return made * inside[:, None]


def _magnitude(wave: Tensor, n_fft: int, hop: int, window: int) -> Tensor:
    spectrum = torch.stft(
        wave,
        n_fft,
        hop,
        window,
        hann(window, str(wave.device)),
        center=False,
        return_complex=True,
    )
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-6)


def to_mel(
    spec: Tensor,
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
) -> Tensor:
    """Natural-log mel spectrum of a linear magnitude spectrogram.

    Args:
        spec: (B, n_fft // 2 + 1, T).

    Returns:
        (B, n_mels, T) f32, floored at ln(1e-5).
    """
    bank = filters(sample_rate, n_fft, n_mels, low_hz, high_hz, str(spec.device))
    return torch.log(torch.clamp(bank @ spec.float(), min=FLOOR))


def mel(
    wave: Tensor,
    sample_rate: int,
    n_fft: int,
    hop: int,
    window: int,
    n_mels: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
) -> Tensor:
    """Log-mel spectrogram of a wave: (B, T) -> (B, n_mels, T // hop) f32."""
    return to_mel(
        spectrogram(wave, n_fft, hop, window), sample_rate, n_fft, n_mels, low_hz, high_hz
    )
