"""Watches a training for signs that it only pretends to learn.

Pure arithmetic on numbers the loop hands over, so every rule can be tested by injecting its
fault. Each finding is a sentence with something to do about it; it goes to the log, as a
structured line to `metrics.jsonl`, and into the final report.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rvc.errors import StageFailed
from rvc.train.nonfinite import BadSteps, Verdict


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        rule: stable name. level: "warning", or "error" where training is pointless.
        sentence, hint: for people. values: the numbers behind it.
    """

    rule: str
    level: str
    sentence: str
    hint: str
    step: int
    epoch: int
    values: dict[str, Any] = field(default_factory=dict)


class Emit(Protocol):
    """Takes one line for `metrics.jsonl` (`rvc.train.metrics.Curves.record` fits)."""

    def __call__(self, kind: str, step: int, epoch: int, **values: Any) -> None: ...


def nowhere(kind: str, step: int, epoch: int, **values: Any) -> None:
    """An Emit that forgets."""


class Ledger:
    """All findings of a training, by rule."""

    def __init__(self, emit: Emit = nowhere) -> None:
        self.emit = emit
        self.findings: dict[str, Finding] = {}
        self.counts: dict[str, int] = {}

    def find(
        self,
        rule: str,
        level: str,
        sentence: str,
        hint: str,
        at: tuple[int, int] = (0, 0),
        values: dict[str, Any] | None = None,
        each: bool = False,
    ) -> None:
        """Note a finding at (step, epoch); the log hears of it once, or each time."""
        self.counts[rule] = self.counts.get(rule, 0) + 1
        if rule in self.findings and not each:
            return
        finding = Finding(rule, level, sentence, hint, *at, values=values or {})
        self.findings.setdefault(rule, finding)
        self.emit(
            "finding",
            *at,
            rule=rule,
            level=level,
            sentence=sentence,
            hint=hint,
            values=finding.values,
        )
        log.warning("%s %s", sentence, hint)

    def as_list(self) -> list[dict[str, Any]]:
        """JSON-ready findings, each with how often it was made."""
        return [asdict(f) | {"count": self.counts[f.rule]} for f in self.findings.values()]


__all__ = ["Monitor", "Verdict"]

log = logging.getLogger(__name__)

WINDOW = 20  # steps a suspicion has to last
FAST, SLOW = 0.2, 4.0  # measured / expected time of an epoch
SLOW_BY_S = 5.0
STILL = 1e-9  # relative spread of a loss that does not move
FLAT_FEATURES = 1e-4  # standard deviation over time
LEAST_VOICED = 0.02
LEAST_MOVING = 0.5  # share of parameter tensors


class Monitor:
    """One training under watch.

    Args:
        emit: takes the events.
        scaled: gradients come from an fp16 gradient scaler, whose first overflows are normal.
    """

    def __init__(self, emit: Emit = nowhere, scaled: bool = False) -> None:
        self.ledger = Ledger(emit)
        self.steps = BadSteps(self.ledger, scaled)
        self.cause = ""
        self.expected_epoch_s = 0.0
        self.windows: dict[str, deque[float]] = {}

    def before(
        self,
        clips: int,
        minutes: float,
        steps: int,
        step_s: float,
        floor_step_s: float = 0.0,
    ) -> str:
        """Say what is about to happen; returns the sentence, after a timed warm-up.

        Args:
            steps: per epoch. step_s: measured time of a step.
            floor_step_s: time below which a real step is impossible on this machine.
        """
        self.expected_epoch_s = steps * step_s
        plan = {"clips": clips, "minutes": round(minutes, 2), "steps_per_epoch": steps}
        self.ledger.emit("plan", 0, 0, **plan, expected_epoch_s=round(self.expected_epoch_s, 3))
        if step_s < FAST * floor_step_s:
            self.ledger.find(
                "implausible_step",
                "warning",
                f"A step takes {step_s * 1e3:.2g} ms; this machine needs at least "
                f"{floor_step_s * 1e3:.2g} ms for real work of that size.",
                "The networks are not computed in full; do not trust the result.",
            )
            self.expected_epoch_s = steps * floor_step_s
        sentence = (
            f"{clips} clips, {minutes:.1f} min, {steps} steps per epoch, "
            f"about {self.expected_epoch_s:.1f} s per epoch."
        )
        log.info("%s", sentence)
        return sentence

    def step(
        self,
        step: int,
        epoch: int,
        losses: Mapping[str, float],
        norms: Mapping[str, float],
        clips: Sequence[str] = (),
        voiced: float | None = None,
        spread: float | None = None,
    ) -> Verdict:
        """Judge one step.

        Args:
            losses, norms: by network or part, such as {"d": .., "mel": ..} and {"d": .., "g": ..}.
            clips: names of the clips of the batch.
            voiced: share of voiced frames in the batch, 0..1.
            spread: mean standard deviation of the features over time.
        """
        verdict = self.steps.judge(step, epoch, losses, norms, clips)
        if verdict is not Verdict.OK:
            self.cause = self.steps.cause
            return verdict
        self.steps.good()
        at = (step, epoch)
        hopeless = self._gradients(norms, at)
        self._moving(losses, at)
        if spread is not None:
            hopeless |= self._features(spread, at)
        if voiced is not None:
            self._voiced(voiced, at)
        return Verdict.STOP if hopeless else Verdict.OK

    def epoch(self, step: int, epoch: int, seconds: float, moving: float | None = None) -> None:
        """Judge an epoch that was done from beginning to end.

        Args:
            seconds: its measured time.
            moving: share of parameter tensors that changed since the last look, 0..1.
        """
        self.steps.rollbacks = 0
        at = (step, epoch)
        share = seconds / self.expected_epoch_s if self.expected_epoch_s else 1.0
        values = {"seconds": round(seconds, 3), "expected_s": round(self.expected_epoch_s, 3)}
        if share < FAST:
            self.ledger.find(
                "epoch_too_fast",
                "warning",
                f"An epoch took {seconds:.2f} s where {self.expected_epoch_s:.1f} s were expected.",
                "Something is skipped; compare the number of clips with your recordings.",
                at,
                values,
            )
        elif share > SLOW and seconds - self.expected_epoch_s > SLOW_BY_S:
            self.ledger.find(
                "epoch_too_slow",
                "warning",
                f"An epoch took {seconds:.1f} s where {self.expected_epoch_s:.1f} s were expected.",
                "GPU memory may be full or another program busy; try a smaller batch size.",
                at,
                values,
            )
        if moving is not None and moving < LEAST_MOVING:
            self.ledger.find(
                "parameters_frozen",
                "error" if moving == 0 else "warning",
                f"Only {moving:.0%} of the parameters changed during the epoch.",
                "Check the learning rate and the base model; nothing is being learnt.",
                at,
                {"moving": moving},
            )

    def empty_epoch(self, step: int, epoch: int) -> None:
        """Every step of an epoch was skipped."""
        self.cause = f"Every step of epoch {epoch} was skipped. {self.steps.cause}".rstrip()
        hint = "Remove the clips named before, or use bf16 or fp32 instead of fp16."
        self.ledger.find("empty_epoch", "error", self.cause, hint, (step, epoch), each=True)

    def _gradients(self, norms: Mapping[str, float], at: tuple[int, int]) -> bool:
        dead = {name for name, norm in norms.items() if self._lasting(f"norm {name}", norm, 0.0)}
        for name in sorted(dead):
            self.ledger.find(
                f"zero_gradient_{name}",
                "error",
                f"The gradient of {name} has been zero for {WINDOW} steps.",
                "That network does not learn; check the base model and the losses.",
                at,
            )
        if norms and dead == set(norms):
            self._fatal("zero_gradients", f"No gradient at all for {WINDOW} steps.", at)
            return True
        return False

    def _features(self, spread: float, at: tuple[int, int]) -> bool:
        if not self._lasting("spread", spread, FLAT_FEATURES):
            return False
        self._fatal(
            "empty_features",
            f"The features of {WINDOW} batches in a row do not vary: they hold no content.",
            at,
        )
        return True

    def _voiced(self, voiced: float, at: tuple[int, int]) -> None:
        if self._lasting("voiced", voiced, LEAST_VOICED):
            self.ledger.find(
                "unvoiced",
                "warning",
                f"Hardly any frame of the last {WINDOW} batches is voiced.",
                "Check the recordings and the pitch extractor, then extract again.",
                at,
            )

    def _moving(self, losses: Mapping[str, float], at: tuple[int, int]) -> None:
        for name, loss in losses.items():
            seen = self._window(f"loss {name}", loss)
            still = max(seen) - min(seen) <= STILL * max(map(abs, seen))
            if len(seen) == WINDOW and still:
                self.ledger.find(
                    f"loss_still_{name}",
                    "warning",
                    f"The loss {name} has been exactly {loss:g} for {WINDOW} steps.",
                    "A loss that does not move teaches nothing; check the data.",
                    at,
                )

    def _window(self, name: str, value: float) -> deque[float]:
        window = self.windows.setdefault(name, deque(maxlen=WINDOW))
        window.append(value)
        return window

    def _lasting(self, name: str, value: float, most: float) -> bool:
        """Whether a value has not exceeded `most` during a whole window."""
        window = self._window(name, value)
        return len(window) == WINDOW and max(window) <= most

    def _fatal(self, rule: str, sentence: str, at: tuple[int, int]) -> None:
        self.cause = sentence
        hint = "Training was stopped: going on would only pretend. Check the stage named."
        self.ledger.find(rule, "error", sentence, hint, at)

    def failure(self) -> StageFailed:
        """The error that ends a training after Verdict.STOP."""
        worst = [f for f in self.ledger.findings.values() if f.level == "error"]
        hint = worst[-1].hint if worst else "Look at the log for the clips named."
        return StageFailed(f"Training was stopped: {self.cause}", hint)

    def report(self) -> dict[str, Any]:
        """For the verb's result: every finding with how often it was made, and skipped steps."""
        return {"findings": self.ledger.as_list(), "skipped_steps": self.steps.skipped}


SAMPLE = 64  # values looked at per tensor


class ParameterWatch:
    """Remembers a few values of every parameter tensor and tells which have changed."""

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
def content(phone: Tensor, f0: Tensor, lengths: Tensor) -> tuple[float, float]:
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


def floor_step_s(networks: Iterable[nn.Module], batch: int, frames: int, device: str) -> float:
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
