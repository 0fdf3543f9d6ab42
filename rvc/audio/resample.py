"""Change of sample rate: soxr for files and streams, a kaiser-windowed sinc inside networks."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# torchaudio's documented "kaiser best" setting, which RefineGAN voices were trained with
ZERO_CROSSINGS = 64
ROLLOFF = 0.9475937167399596
KAISER_BETA = 14.769656459379492


def resample(wave: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Offline resampling of a recording in soxr's best quality.

    Args:
        wave: (T,) or (T, channels) samples.

    Returns:
        float32, about T * to_hz / from_hz samples; the same array when the rates agree.
    """
    import soxr

    wave = np.asarray(wave, dtype=np.float32)
    if from_hz == to_hz or not len(wave):
        return wave
    out: np.ndarray = soxr.resample(wave, from_hz, to_hz, quality="VHQ")
    return out.astype(np.float32, copy=False)


class StreamResampler:
    """Resamples sound that comes in blocks, as `resample` would do it with the whole.

    A pass-through where the rates agree.
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int = 1) -> None:
        import soxr

        same = from_hz == to_hz
        self.stream: Any = (
            None if same else soxr.ResampleStream(from_hz, to_hz, channels, "float32", "VHQ")
        )
        self.empty = np.zeros((0, channels) if channels > 1 else 0, np.float32)

    def __call__(self, wave: np.ndarray | None, last: bool = False) -> np.ndarray:
        """The next samples (T,) or (T, C); None with `last` flushes what is held back."""
        wave = self.empty if wave is None else np.ascontiguousarray(wave, np.float32)
        if self.stream is None:
            return wave
        out: np.ndarray = self.stream.resample_chunk(wave, last=last)
        return out


@lru_cache(maxsize=32)
def _kaiser(orig: int, new: int, device: str, dtype: torch.dtype) -> tuple[Tensor, int]:
    """Filters (new, 1, taps) that turn `orig` samples into `new`, and how far they reach."""
    import torch

    with torch.inference_mode(False):  # it is kept, and training needs it too
        cutoff = min(orig, new) * ROLLOFF
        reach = math.ceil(ZERO_CROSSINGS * orig / cutoff)
        at = torch.arange(-reach, reach + orig, dtype=torch.float64) / orig
        phase = torch.arange(new, dtype=torch.float64)[:, None] / new
        x = ((at - phase) * cutoff).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
        beta = torch.tensor(KAISER_BETA)
        window = torch.i0(beta * torch.sqrt(1 - (x / ZERO_CROSSINGS) ** 2)) / torch.i0(beta)
        x = x * math.pi
        sinc = torch.where(x == 0, torch.ones_like(x), x.sin() / x)
        taps = sinc * (window * (cutoff / orig))
        return taps[:, None].float().to(device, dtype), reach


def kaiser_resample(wave: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Differentiable resampling with a wide kaiser-windowed sinc; only the ratio matters.

    The same samples as torchaudio's `sinc_interp_kaiser` to the last bit where the rate is divided
    by a whole number. Theory: J. O. Smith, "Digital Audio Resampling Home Page".

    Args:
        wave: (..., T).

    Returns:
        (..., ceil(T * to_hz / from_hz)).
    """
    import torch.nn.functional as F

    common = math.gcd(from_hz, to_hz)
    orig, new = from_hz // common, to_hz // common
    if orig == new:
        return wave
    taps, reach = _kaiser(orig, new, str(wave.device), wave.dtype)
    flat = F.pad(wave.reshape(-1, 1, wave.shape[-1]), (reach, reach + orig))
    phases = F.conv1d(flat, taps, stride=orig)  # (N, new, blocks)
    size = -(-new * wave.shape[-1] // orig)
    return phases.transpose(1, 2).reshape(*wave.shape[:-1], -1)[..., :size]
