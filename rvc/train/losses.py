"""What training minimises, in float32 whatever the networks run in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.audio.mel import filters, hann

SCALES = ((5, 32), (10, 64), (20, 128), (40, 256), (80, 512), (160, 1024), (320, 2048))


def _total(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Least squares: verdicts (B, n) on real sound want 1, on generated sound 0."""
    return _total(
        [
            (1 - r.float()).square().mean() + f.float().square().mean()
            for r, f in zip(real, fake, strict=True)
        ]
    )


def adversarial_loss(fake: Sequence[Tensor]) -> Tensor:
    """The generator wants verdicts of 1."""
    return _total([(1 - f.float()).square().mean() for f in fake])


def feature_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Twice the L1 distance of every discriminator's maps; no gradient flows through `real`."""
    pairs = [(r, f) for rs, fs in zip(real, fake, strict=True) for r, f in zip(rs, fs, strict=True)]
    return 2 * _total([F.l1_loss(f.float(), r.detach().float()) for r, f in pairs])


def kl_loss(z_p: Tensor, logs_q: Tensor, m_p: Tensor, logs_p: Tensor, mask: Tensor) -> Tensor:
    """Divergence of posterior from prior, summed over channels, per frame.

    Args:
        z_p, logs_q, m_p, logs_p: (B, I, T); raised to float32, where exp(-2 logs) has room.
        mask: (B, 1, T).
    """
    z_p, logs_q, m_p, logs_p, mask = (x.float() for x in (z_p, logs_q, m_p, logs_p, mask))
    distance = 0.5 * (z_p - m_p).square() * torch.exp(-2 * logs_p)
    return ((logs_p - logs_q - 0.5 + distance) * mask).sum() / mask.sum()


def mel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L1 between log-mel spectrograms (B, M, T); weigh it with `c_mel`."""
    return F.l1_loss(fake.float(), real.float())


def _log_mel(wave: Tensor, sample_rate: int, n_mels: int, window: int) -> Tensor:
    spectrum = torch.stft(
        wave, window, window // 4, window, hann(window, str(wave.device)), return_complex=True
    )
    bank = filters(sample_rate, window, n_mels, 0.0, None, str(wave.device))
    return torch.log10(torch.clamp(bank @ spectrum.abs(), min=1e-5))


def multiscale_mel_loss(real: Tensor, fake: Tensor, sample_rate: int) -> Tensor:
    """Sum of L1 distances of log10-mel spectra at seven resolutions; weigh it with c_mel / 3.

    Args:
        real, fake: (B, 1, N) or (B, N) waves.
    """
    real, fake = real.float().flatten(0, -2), fake.float().flatten(0, -2)
    return _total(
        [
            F.l1_loss(
                _log_mel(fake, sample_rate, n_mels, window),
                _log_mel(real, sample_rate, n_mels, window),
            )
            for n_mels, window in SCALES
        ]
    )
