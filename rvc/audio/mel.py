"""Spectrograms as the public voices were trained on: magnitude, mel, log; losses build on them.

The one bank of mel filters is here too; pitch networks and embedders take theirs from it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor
from torch.nn import functional as F

FLOOR = 1e-5
STEP_HZ, LINEAR_HZ = 200.0 / 3, 1000.0  # Slaney's scale: mels of this width up to 1 kHz,
LINEAR_MELS = LINEAR_HZ / STEP_HZ
LOG_STEP = np.log(6.4) / 27.0  # from there on each is wider, by a factor of 6.4 in 27 of them


def _to_mel(hz: float, htk: bool) -> float:
    if htk:
        return float(2595.0 * np.log10(1.0 + hz / 700.0))
    if hz < LINEAR_HZ:
        return hz / STEP_HZ
    return float(LINEAR_MELS + np.log(hz / LINEAR_HZ) / LOG_STEP)


def _to_hz(mels: np.ndarray, htk: bool) -> np.ndarray:
    if htk:
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    hz, above = mels * STEP_HZ, mels >= LINEAR_MELS
    hz[above] = LINEAR_HZ * np.exp(LOG_STEP * (mels[above] - LINEAR_MELS))
    return hz


def mel_bank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    htk: bool = False,
    dtype: DTypeLike = np.float64,
) -> np.ndarray:
    """Triangular filters of equal area that bring a spectrum to the mel scale.

    Equal to `librosa.filters.mel` to the last bit, without its half a second of imports.

    Args:
        high_hz: None = half the sample rate.
        htk: the logarithmic scale of HTK, else that of Slaney's Auditory Toolbox.
        dtype: of the triangles before they are scaled, and of the result.

    Returns:
        (n_mels, n_fft // 2 + 1) of `dtype`.
    """
    high = sample_rate / 2 if high_hz is None else high_hz
    mels = np.linspace(_to_mel(low_hz, htk), _to_mel(high, htk), n_mels + 2)
    edges_hz = _to_hz(mels, htk)
    slopes = edges_hz[:, None] - np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    widths = np.diff(edges_hz)[:, None]
    rising, falling = -slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]
    bank = np.maximum(0, np.minimum(rising, falling)).astype(dtype)
    bank *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return bank


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
    wave = wave.float()
    padding = (n_fft - hop) // 2
    wave = F.pad(wave[:, None], (padding, padding), mode="reflect")[:, 0]
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
