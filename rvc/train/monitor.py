"""Watches a training for signs that it only pretends to learn.

Pure arithmetic on numbers the trainer hands over, so every rule can be tested by injecting its
fault.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from rvc.errors import StageFailed
from rvc.train.metrics import Emit, Findings, no_emit
from rvc.train.plausibility import NonFiniteSteps, Verdict

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

    def __init__(self, emit: Emit = no_emit, scaled: bool = False) -> None:
        self.findings = Findings(emit)
        self.nonfinite = NonFiniteSteps(self.findings, scaled)
        self.cause = ""
        self.expected_epoch_s = 0.0
        self.windows: dict[str, deque[float]] = {}

    def before(
        self,
        clips: int,
        minutes: float,
        steps: int,
        step_s: float,
        shortest_step_s: float = 0.0,
        where: Mapping[str, Any] | None = None,
    ) -> str:
        """Say what is about to happen; returns the sentence, after a timed warm-up.

        Args:
            steps: per epoch. step_s: measured time of a step.
            shortest_step_s: time below which a real step is impossible on this machine.
            where: what else the time depends on: machine, device, networks.
        """
        self.expected_epoch_s = steps * step_s
        plan = {"clips": clips, "minutes": round(minutes, 2), "steps_per_epoch": steps}
        plan |= where or {}
        self.findings.emit("plan", 0, 0, **plan, expected_epoch_s=round(self.expected_epoch_s, 3))
        if step_s < FAST * shortest_step_s:
            self.findings.add(
                "implausible_step",
                "warning",
                f"A step takes {step_s * 1e3:.2g} ms; this machine needs at least "
                f"{shortest_step_s * 1e3:.2g} ms for real work of that size.",
                "The networks are not computed in full; do not trust the result.",
            )
            self.expected_epoch_s = steps * shortest_step_s
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
        verdict = self.nonfinite.judge(step, epoch, losses, norms, clips)
        if verdict is not Verdict.OK:
            self.cause = self.nonfinite.cause
            return verdict
        self.nonfinite.good()
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
        self.nonfinite.rollbacks = 0
        at = (step, epoch)
        share = seconds / self.expected_epoch_s if self.expected_epoch_s else 1.0
        values = {"seconds": round(seconds, 3), "expected_s": round(self.expected_epoch_s, 3)}
        if share < FAST:
            self.findings.add(
                "epoch_too_fast",
                "warning",
                f"An epoch took {seconds:.2f} s where {self.expected_epoch_s:.1f} s were expected.",
                "Something is skipped; compare the number of clips with your recordings.",
                at,
                values,
            )
        elif share > SLOW and seconds - self.expected_epoch_s > SLOW_BY_S:
            self.findings.add(
                "epoch_too_slow",
                "warning",
                f"An epoch took {seconds:.1f} s where {self.expected_epoch_s:.1f} s were expected.",
                "GPU memory may be full or another program busy; try a smaller batch size.",
                at,
                values,
            )
        if moving is not None and moving < LEAST_MOVING:
            self.findings.add(
                "parameters_frozen",
                "error" if moving == 0 else "warning",
                f"Only {moving:.0%} of the parameters changed during the epoch.",
                "Check the learning rate and the base model; nothing is being learnt.",
                at,
                {"moving": moving},
            )

    def empty_epoch(self, step: int, epoch: int) -> None:
        """Every step of an epoch was skipped."""
        self.cause = f"Every step of epoch {epoch} was skipped. {self.nonfinite.cause}".rstrip()
        hint = "Remove the clips named before, or use bf16 or fp32 instead of fp16."
        self.findings.add("empty_epoch", "error", self.cause, hint, (step, epoch), each=True)

    def _gradients(self, norms: Mapping[str, float], at: tuple[int, int]) -> bool:
        dead = {name for name, norm in norms.items() if self._lasting(f"norm {name}", norm, 0.0)}
        for name in sorted(dead):
            self.findings.add(
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
            self.findings.add(
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
                self.findings.add(
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
        self.findings.add(rule, "error", sentence, hint, at)

    def failure(self) -> StageFailed:
        """The error that ends a training after Verdict.STOP."""
        worst = [f for f in self.findings.by_rule.values() if f.level == "error"]
        hint = worst[-1].hint if worst else "Look at the log for the clips named."
        return StageFailed(f"Training was stopped: {self.cause}", hint)

    def report(self) -> dict[str, Any]:
        """For the verb's result: every finding with how often it was made, and skipped steps."""
        return {"findings": self.findings.as_list(), "skipped_steps": self.nonfinite.skipped}
