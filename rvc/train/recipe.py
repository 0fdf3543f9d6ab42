"""What a training step needs to know besides the networks and the batch."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from rvc.audio.mel import mel, spectrogram
from rvc.nets.config import VoiceSettings
from rvc.precision import autocast
from rvc.train import losses
from rvc.train.dataset import Batch
from rvc.train.distributed import Ranks


@dataclass(frozen=True)
class Recipe:
    """What does not change: sizes, device, precision of the networks, gradient limit, seed."""

    settings: VoiceSettings
    device: torch.device
    dtype: torch.dtype = torch.float32
    clip_norm: float = 0.0
    seed: int = 0
    multi_scale: bool = False
    ranks: Ranks = Ranks()

    def autocast(self) -> AbstractContextManager[None]:
        return autocast(self.device, self.dtype)

    def seed_step(self, step: int, attempt: int) -> None:
        """Make a step's random numbers a function of (seed, step, attempt, rank)."""
        text = f"{self.seed}/{step}/{attempt}/{self.ranks.rank}"
        digest = hashlib.blake2b(text.encode(), digest_size=7).digest()
        torch.manual_seed(int.from_bytes(digest, "big"))

    def spectra(self, batch: Batch) -> Tensor:
        """Linear spectrograms (B, S, T) of the clips, each up to its own end."""
        s, hop = self.settings, self.settings.hop_length
        out = batch.wave.new_zeros(len(batch.wave), s.spec_channels, batch.pitch.shape[1])
        for row, wave, frames in zip(out, batch.wave, batch.lengths.tolist(), strict=True):
            spec = spectrogram(wave[None, : frames * hop], s.filter_length, hop, s.win_length)
            row[:, :frames] = spec[0]
        return out

    def mel_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Weighted spectral distance of waves (B, 1, N)."""
        s = self.settings
        if self.multi_scale:
            return losses.multiscale_mel_loss(real, fake, s.sample_rate) * s.c_mel / 3
        return losses.mel_loss(self.log_mel(real), self.log_mel(fake)) * s.c_mel

    def log_mel(self, wave: Tensor) -> Tensor:
        """(B, 1, N) -> (B, M, N / hop)."""
        s = self.settings
        sizes = (s.sample_rate, s.filter_length, s.hop_length, s.win_length, s.n_mel_channels)
        return mel(wave[:, 0].float(), *sizes, s.mel_fmin, s.mel_fmax)
