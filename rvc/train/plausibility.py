"""Measurements that tell a training from a pretence: of batches, parameters and the machine."""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from torch import Tensor, nn

SAMPLE = 64  # values looked at per tensor


class ParameterWatch:
    """Remembers a few values of every parameter tensor and compares them later."""

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        self.networks = list(networks)
        self.seen = self._look()

    def moving(self) -> float:
        """Share (0..1) of trainable tensors that changed since the last call."""
        before, self.seen = self.seen, self._look()
        changed = [bool((a != b).any()) for a, b in zip(before, self.seen, strict=True)]
        return sum(changed) / max(1, len(changed))

    @torch.no_grad()
    def _look(self) -> list[Tensor]:
        return [
            p.detach().flatten()[:: max(1, p.numel() // SAMPLE)][:SAMPLE].clone().cpu()
            for network in self.networks
            for p in network.parameters()
        ]


@torch.no_grad()
def batch_statistics(phone: Tensor, f0: Tensor, lengths: Tensor) -> tuple[float, float]:
    """(share of voiced frames, mean standard deviation over time) of a batch.

    Args:
        phone: (B, T, E) features. f0: (B, T) in Hz. lengths: (B,) frames.
    """
    inside = torch.arange(f0.shape[1], device=f0.device)[None] < lengths[:, None].to(f0.device)
    voiced = ((f0 > 0) & inside).sum() / inside.sum().clamp(min=1)
    weight = inside[..., None].to(phone.dtype)
    count = weight.sum(1).clamp(min=1)
    mean = (phone * weight).sum(1) / count
    variance = (((phone - mean[:, None]) * weight) ** 2).sum(1) / count
    both = torch.stack([voiced.float(), variance.float().sqrt().mean()])
    share, spread = both.tolist()
    return share, spread


def shortest_step_s(networks: Iterable[nn.Module], batch: int, frames: int, device: str) -> float:
    """A time no real training step can beat here: each weight used once per frame, forth and back.

    Args:
        frames: of one training segment. The machine's speed is that of a matrix product, measured
            (about 0.1 s), times four for good measure.
    """
    weights = sum(p.numel() for n in networks for p in n.parameters() if p.ndim > 1)
    return 6.0 * weights * batch * frames / operations_per_s(device) / 4


def operations_per_s(device: str) -> float:
    """Floating-point operations per second of a matrix product on a device."""
    size = 1024 if device == "cpu" else 4096
    kind = torch.float32 if device == "cpu" else torch.bfloat16
    a = torch.ones(size, size, device=device, dtype=kind)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        _ = float((a @ a)[0, 0])  # reading a value waits for the device
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best
