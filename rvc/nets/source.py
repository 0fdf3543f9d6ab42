"""Sine excitation: the pitch of a voice as sound, before a decoder shapes it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nets.layers import GLOBAL_NOISE, Noise

AMPLITUDE = 0.1
VOICED_NOISE = 0.003
UNVOICED_NOISE = AMPLITUDE / 3


def hold(x: Tensor, times: int) -> Tensor:
    """Repeat every value: (B, T) -> (B, T * times)."""
    return x[:, :, None].expand(-1, -1, times).flatten(1)


def glide(x: Tensor, times: int) -> Tensor:
    """Interpolate linearly: (B, T) -> (B, T * times)."""
    return F.interpolate(x[:, None], scale_factor=float(times), mode="linear")[:, 0]


def frame_phase(f0: Tensor, hop: int, sample_rate: int) -> Tensor:
    """Phase in turns when the pitch stands still within a frame: (B, T) Hz -> (B, T * hop).

    Whole turns are dropped at every frame, so that long sounds keep their precision.
    """
    inside = torch.arange(1, hop + 1, device=f0.device, dtype=f0.dtype)
    step = f0[:, :, None] / sample_rate
    after = torch.fmod(step[:, :-1, -1] * hop + 0.5, 1.0) - 0.5
    before = F.pad(_sum_of_turns(after), (1, 0))
    return (step * inside + before[:, :, None]).flatten(1)


def sample_phase(f0: Tensor, sample_rate: int) -> Tensor:
    """Phase in turns of a pitch given for every sample: (B, N) Hz -> (B, N), float32."""
    return _sum_of_turns(torch.fmod(f0 / sample_rate, 1.0))


def _sum_of_turns(steps: Tensor) -> Tensor:
    """Running sum (B, T) without its whole turns; in double precision where the device has it."""
    wide = torch.float32 if steps.device.type == "mps" else torch.float64
    return torch.fmod(steps.to(wide).cumsum(1), 1.0).to(steps.dtype)


def sines(phase: Tensor, voiced: Tensor, harmonics: int, noise: Noise) -> Tensor:
    """Harmonics of a phase with the noise of breath.

    Args:
        phase: (B, N) turns of the fundamental.
        voiced: (B, N) ones and zeros.
        harmonics: overtones besides the fundamental.

    Returns:
        (B, N, harmonics + 1).
    """
    order = torch.arange(1, harmonics + 2, device=phase.device, dtype=phase.dtype)
    offset = noise.uniform(phase[:, :1, None].expand(-1, -1, harmonics + 1))
    offset = torch.cat([torch.zeros_like(offset[..., :1]), offset[..., 1:]], dim=-1)
    turns = torch.fmod(phase[:, :, None] * order, 1.0) + offset
    waves = AMPLITUDE * torch.sin(2 * math.pi * turns)
    voiced = voiced[:, :, None].to(waves.dtype)
    breath = voiced * VOICED_NOISE + (1 - voiced) * UNVOICED_NOISE
    return waves * voiced + noise.normal(waves) * breath


class HarmonicSource(nn.Module):
    """One channel of excitation from sines, merged by a learned linear layer (`l_linear`).

    Args:
        hop: samples per frame.
        harmonics: overtones besides the fundamental.
        by_sample: phase is summed sample by sample (MRF) instead of frame by frame (HiFi-GAN).
    """

    def __init__(self, sample_rate: int, hop: int, harmonics: int, by_sample: bool) -> None:
        super().__init__()
        self.sample_rate, self.hop, self.harmonics = sample_rate, hop, harmonics
        self.by_sample = by_sample
        self.l_linear = nn.Linear(harmonics + 1, 1)

    def forward(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        """(B, T) Hz, 0 = unvoiced -> (B, 1, T * hop)."""
        with torch.no_grad():
            f0 = f0.float()  # phases need more than half precision
            if self.by_sample:
                phase = sample_phase(hold(f0, self.hop), self.sample_rate)
            else:
                phase = frame_phase(f0, self.hop, self.sample_rate)
            waves = sines(phase, hold(f0 > 0, self.hop), self.harmonics, noise)
        merged = self.l_linear(waves.to(self.l_linear.weight.dtype))
        return torch.tanh(merged).transpose(1, 2)
