"""The loop of a training, and what it does after each step and epoch besides learning."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rvc.errors import Cancelled
from rvc.params.train import Train
from rvc.train import checkpoint, plausibility
from rvc.train.dataset import Batch, Dataset, Prefetch, Sampler
from rvc.train.eta import Eta
from rvc.train.metrics import WINDOW_STEPS, MetricsWriter, no_emit
from rvc.train.monitor import Monitor
from rvc.train.plausibility import Verdict
from rvc.train.state import State
from rvc.train.step import Losses, Recipe, train_step
from rvc.train.stopping import Saved, StopSignals, save_after_s

if TYPE_CHECKING:
    from rvc.train.validation import Validation

log = logging.getLogger(__name__)

TrainStep = Callable[[State, Batch, Recipe], Losses]


class NextMove(Enum):
    """What follows a step."""

    NEXT = "next step"
    RELOADED = "whatever the state, which is an earlier one again, says comes next"
    STOPPED = "the end"


@dataclass
class Trainer:
    """Goes through the epochs of a training: steps, progress, metrics, saves, stops.

    Attributes:
        metrics: None on all ranks but the first.
        export: writes the G_, D_ and voice files of a state.
        validation: scores the voice at a save; None where no clips are held out.
        step: one update of both networks.
        epoch_s: when this run saw the epoch's beginning; None where it did not.
        save_s: what the last save took.
    """

    p: Train
    folder: Path
    recipe: Recipe
    data: Dataset
    sampler: Sampler
    identity: Mapping[str, Any]
    metrics: MetricsWriter | None
    eta: Eta
    stop: StopSignals
    export: Callable[[State], list[str]]
    validation: Validation | None
    watched: plausibility.ParameterWatch | None = None
    step: TrainStep = train_step
    saved_s: float = field(default_factory=time.monotonic)
    save_s: float = 0.0
    stepped_s: float = field(default_factory=time.monotonic)
    epoch_s: float | None = None

    def __post_init__(self) -> None:
        emit = self.metrics.record if self.metrics else no_emit
        self.monitor = Monitor(emit, scaled=self.recipe.dtype == torch.float16)
        self.steps_per_epoch = len(self.sampler)

    def fit(self, s: State) -> bool:
        """Train up to the last epoch; False if it was stopped before.

        Raises:
            StageFailed: going on would only pretend to learn.
        """
        settings = self.recipe.settings
        while s.epoch <= self.p.total_epoch:
            rate = settings.learning_rate * settings.lr_decay ** (s.epoch - 1)
            for group in (*s.optim_g.param_groups, *s.optim_d.param_groups):
                group["lr"] = rate
            flow = self._epoch(s)
            if flow is NextMove.STOPPED:
                return False
            if flow is NextMove.NEXT:
                s.epoch, s.done = s.epoch + 1, 0
                self._after_epoch(s)
        return True

    def _epoch(self, s: State) -> NextMove:
        """What is left of the epoch under way; its batches are made ready in a thread."""
        epoch, steps = s.epoch, self.sampler.batches(s.epoch)[s.done :]
        jobs = [self.recipe.ranks.share(step) for step in steps]
        with Prefetch(lambda job: (job, self.data.batch(job, epoch)), jobs) as ready:
            for indices, waiting in ready:
                batch = waiting.to(self.recipe.device)
                losses = self.step(s, batch, self.recipe)
                s.done += 1
                s.step += 1
                flow = self._after_step(s, indices, batch, losses)
                if flow is not NextMove.NEXT:
                    return flow
        return NextMove.NEXT

    def _after_step(self, s: State, indices: list[int], batch: Batch, losses: Losses) -> NextMove:
        """Note the losses, show progress, save now and then, and decide how to go on."""
        own, numbers = self._numbers(losses)
        verdict = self._judge_step(s, self._suspects(indices, own, numbers), batch, numbers)
        if verdict is Verdict.STOP:
            raise self.monitor.failure()
        if verdict is Verdict.ROLLBACK and self._roll_back(s):
            return NextMove.RELOADED
        if verdict is Verdict.OK:
            self._note(s, numbers)
        if not self.eta.show(s, numbers, self.monitor):
            self.stop.asked = True
        if self.recipe.ranks.any(self.stop.asked, self.recipe.device):
            self.save(s)
            return NextMove.STOPPED
        if self._due() and s.done < self.steps_per_epoch:
            self.save(s)
        return NextMove.NEXT

    def _after_epoch(self, s: State) -> None:
        """Write the epoch's averages; save and export every so often and at the end.

        Raises:
            StageFailed: every step of the last epoch was skipped.
        """
        done = s.epoch - 1
        if not s.epoch_means.count:
            self._learnt_nothing(s, done)
            return
        if self.epoch_s is not None and self.watched:
            seconds = time.monotonic() - self.epoch_s
            self.monitor.epoch(s.step, done, seconds, self.watched.moving())
        if self.metrics:
            rate = float(s.optim_g.param_groups[0]["lr"])
            self.metrics.epoch(s.step, done, s.epoch_means.means(), rate)
        s.epoch_means.clear()
        if done % self.p.save_every_epoch == 0 or done == self.p.total_epoch:
            if self.validation is not None:
                self.validation(s)
            self.save(s)
            if self.recipe.ranks.first:
                self.export(s)
        self.epoch_s = time.monotonic()

    def _learnt_nothing(self, s: State, done: int) -> None:
        """An epoch without one good step gives nothing to save, to score or to hand out."""
        self.monitor.empty_epoch(s.step, done)
        if done == self.p.total_epoch:
            raise self.monitor.failure()
        self.epoch_s = time.monotonic()

    def save(self, s: State) -> None:
        """Keep everything needed to go on."""
        began = time.monotonic()
        if self.recipe.ranks.first:
            scored = self.validation.state() if self.validation is not None else {}
            checkpoint.save(self.folder, s.pack(self.identity, scored))
            Saved(s.epoch, s.step, self.eta.progress(s)[0]).write(self.folder)
        self.saved_s = self.stepped_s = time.monotonic()
        self.save_s = self.saved_s - began

    def cancelled(self, s: State) -> Cancelled:
        """What to tell after a stop."""
        return Cancelled(
            f"Stopped in epoch {s.epoch} of {self.p.total_epoch} after step {s.step}; everything "
            "is saved.",
            "Start it again with the same settings (without --cleanup) to go on from there.",
        )

    def _roll_back(self, s: State) -> bool:
        """Take up the last saved state with other random numbers; False where there is none."""
        if not (self.folder / checkpoint.NAME).exists():
            return False
        saved = checkpoint.load(self.folder)
        if saved is None:
            return False
        attempt = s.attempt + 1
        s.unpack(saved)
        s.attempt = attempt
        self.epoch_s = None
        return True

    def _numbers(self, losses: Losses) -> tuple[list[float], dict[str, float]]:
        """Losses and norms as numbers: this rank's own, and by name their means over the ranks."""
        values = torch.stack([value.float() for value in losses.values()])
        if self.recipe.ranks.world == 1:
            own = values.tolist()
            return own, dict(zip(losses, own, strict=True))
        own = values.tolist()
        self.recipe.ranks.average([values])
        return own, dict(zip(losses, values.tolist(), strict=True))

    def _suspects(
        self, indices: list[int], own: list[float], numbers: Mapping[str, float]
    ) -> list[str]:
        """Names of the step's clips; where a mean over ranks is not finite, of the ranks at fault.

        Gradient norms are measured after averaging and accuse nobody.
        """
        names = [self.data.clips[i].name for i in indices]
        if self.recipe.ranks.world == 1 or all(map(math.isfinite, numbers.values())):
            return names
        losses = [v for k, v in zip(numbers, own, strict=True) if not k.startswith("norm")]
        gathered = self.recipe.ranks.gather((all(map(math.isfinite, losses)), names))
        guilty = [found for innocent, found in gathered if not innocent]
        return [name for found in guilty or [found for _, found in gathered] for name in found]

    def _judge_step(
        self, s: State, names: list[str], batch: Batch, numbers: Mapping[str, float]
    ) -> Verdict:
        voiced, spread = plausibility.batch_statistics(batch.phone, batch.f0, batch.lengths)
        norms = {"d": numbers["norm_d"], "g": numbers["norm_g"]}
        losses = {k: v for k, v in numbers.items() if not k.startswith("norm")}
        if self.recipe.ranks.world > 1:  # one verdict for all: from what all have in common
            both = torch.tensor([voiced, spread], device=self.recipe.device)
            self.recipe.ranks.average([both])
            voiced, spread = both.tolist()
        return self.monitor.step(s.step, s.epoch, losses, norms, names, voiced, spread)

    def _note(self, s: State, numbers: Mapping[str, float]) -> None:
        s.epoch_means.add(numbers)
        s.window_means.add(numbers)
        if s.window_means.count >= WINDOW_STEPS:
            if self.metrics:
                self.metrics.window(s.step, s.epoch, s.window_means.means())
            s.window_means.clear()

    def _due(self) -> bool:
        """Whether the clock asks for a save; asked once after every step."""
        now = time.monotonic()
        step_s, self.stepped_s = now - self.stepped_s, now
        limit_s = save_after_s(step_s, self.save_s, self.p.save_every_minutes * 60)
        return self.recipe.ranks.tell(now - self.saved_s > limit_s)
