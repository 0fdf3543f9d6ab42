"""What to do when a loss or gradient is not a finite number: skip, go back, and at last stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum

from rvc.train.findings import Findings

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
