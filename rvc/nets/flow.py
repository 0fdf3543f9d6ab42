"""The flow between posterior and prior: couplings and channel flips, exactly invertible."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rvc.nets.layers import WaveNet

COUPLINGS = 4


class Coupling(nn.Module):
    """Shifts one half of the channels by a function of the other half."""

    def __init__(self, channels: int, width: int, speaker_width: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels // 2, width, 1)
        self.enc = WaveNet(width, 5, 3, speaker_width)
        self.post = nn.Conv1d(width, channels // 2, 1)
        for parameter in self.post.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor | None, sign: float) -> Tensor:
        """(B, I, T) -> (B, I, T); sign +1 towards the prior, -1 back."""
        kept, moved = x.chunk(2, dim=1)
        shift = self.post(self.enc(self.pre(kept) * mask, mask, g)) * mask
        return torch.cat([kept, moved * mask + sign * shift], dim=1)


class Flow(nn.Module):
    """Four couplings, each followed by a flip of the channels."""

    def __init__(self, channels: int, width: int, speaker_width: int) -> None:
        super().__init__()
        couplings = [Coupling(channels, width, speaker_width) for _ in range(COUPLINGS)]
        # the files number couplings 0, 2, 4, 6: the flips between them have no weights
        self.flows = nn.ModuleList(
            part for coupling in couplings for part in (coupling, nn.Identity())
        )

    def forward(self, z: Tensor, mask: Tensor, g: Tensor | None = None) -> Tensor:
        """Posterior to prior: (B, I, T), (B, 1, T), (B, G, 1) -> (B, I, T)."""
        for coupling in self.flows[::2]:
            z = coupling(z, mask, g, 1.0).flip(1)
        return z

    def reverse(self, z_p: Tensor, mask: Tensor, g: Tensor | None = None) -> Tensor:
        """Prior to posterior: the exact inverse of forward."""
        for coupling in reversed(self.flows[::2]):
            z_p = coupling(z_p.flip(1), mask, g, -1.0)
        return z_p
