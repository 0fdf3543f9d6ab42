"""What tells a training from a pretence: measurements, and losses that are not finite numbers.

Of the latter it says what to do: skip the step, go back, and at last stop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

import torch
from torch import Tensor, nn

from rvc.train.metrics import Findings

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


ROLLBACK_AFTER = 3  # bad steps in a row
STOP_AFTER = 10
ROLLBACKS = 9  # in one epoch: the last good state leads nowhere but here
SCALER_PATIENCE = 30  # steps a gradient scaler may need to find its scale
HINT = "Listen to the clips named; use bf16 or fp32 instead of fp16."


class Verdict(Enum):
    """What the trainer has to do after a step."""

    OK = "ok"
    SKIP = "skip"  # the step must not (or did not) change the networks
    ROLLBACK = "rollback"  # load the last good state
    STOP = "stop"  # raise `Monitor.failure()`


class NonFiniteSteps:
    """Counts bad steps in a row.

    Args:
        scaled: gradients come from an fp16 gradient scaler, whose first overflows are normal.
    """

    def __init__(self, findings: Findings, scaled: bool = False) -> None:
        self.findings, self.scaled = findings, scaled
        self.bad = self.overflows = self.rollbacks = self.skipped = 0
        self.cause = ""

    def good(self) -> None:
        """A step went well."""
        self.bad = self.overflows = 0

    def judge(
        self,
        step: int,
        epoch: int,
        losses: Mapping[str, float],
        norms: Mapping[str, float],
        clips: Sequence[str],
    ) -> Verdict:
        """OK, or what to do about a loss or gradient that is not a number."""
        wrong_loss = [k for k, v in losses.items() if not math.isfinite(v)]
        wrong_norm = [k for k, v in norms.items() if not math.isfinite(v)]
        if not wrong_loss and not wrong_norm:
            return Verdict.OK
        self.skipped += 1
        if self.scaled and not wrong_loss and self.overflows < SCALER_PATIENCE:
            self.overflows += 1
            return Verdict.SKIP
        self.bad += 1
        parts = [f"the loss {k}" for k in wrong_loss] + [f"the gradient of {k}" for k in wrong_norm]
        among = f" (clips {', '.join(clips)})" if clips else ""
        self.cause = f"Step {step}: {' and '.join(parts)} is not finite{among}."
        self.findings.add(
            "not_finite",
            "warning",
            self.cause + " The step was skipped.",
            HINT,
            (step, epoch),
            {"losses": wrong_loss, "norms": wrong_norm, "clips": list(clips)},
            each=True,
        )
        return self._after_bad((step, epoch))

    def _after_bad(self, at: tuple[int, int]) -> Verdict:
        again = self.bad % ROLLBACK_AFTER == 0 and self.rollbacks >= ROLLBACKS
        if self.bad >= STOP_AFTER or again:
            self.cause = f"{self.bad} steps in a row failed. {self.cause}"
            self.findings.add("not_finite_stop", "error", self.cause, HINT, at)
            return Verdict.STOP
        if self.bad % ROLLBACK_AFTER:
            return Verdict.SKIP
        self.rollbacks += 1
        self.findings.add(
            "rolled_back",
            "warning",
            f"{self.bad} steps in a row were not finite: going back to the last good state.",
            "If it happens again, remove the clips named before.",
            at,
            each=True,
        )
        return Verdict.ROLLBACK
