"""One run of a training: what happens after each step and epoch besides learning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rvc.dataset.filelist import Clip
from rvc.errors import Cancelled
from rvc.params import Train
from rvc.progress import Report
from rvc.train import checkpoint, plausibility
from rvc.train import checkpoint as resume
from rvc.train.dataset import Batch
from rvc.train.findings import no_emit
from rvc.train.holdout import minutes
from rvc.train.metrics import WINDOW_STEPS, Curves
from rvc.train.monitor import Monitor
from rvc.train.nonfinite import Verdict
from rvc.train.step import Losses, Next, Recipe, State
from rvc.train.stopping import PHASE, Saved, Stop, save_after_s

log = logging.getLogger(__name__)

SHOW_EVERY_S = 1.0
MEASURED_STEPS = 3  # after the first, which warms up
SHOWN = ("mel", "kl", "fm", "adv", "d")


@dataclass
class Session:
    """Callbacks of the loop: progress, curves, plausibility, saving, stopping.

    Attributes:
        clips: those to learn from; indices in the loop point at them.
        curves: None on all ranks but the first.
        export: writes the G_, D_ and voice files of a state.
        judge: listens to the voice at a save.
        extra: added to the saved state as it is at that moment.
    """

    p: Train
    folder: Path
    recipe: Recipe
    clips: list[Clip]
    steps_per_epoch: int
    identity: Mapping[str, Any]
    curves: Curves | None
    report: Report
    stop: Stop
    export: Callable[[State], list[str]]
    judge: Callable[[State], None]
    extra: Callable[[], Mapping[str, Any]]
    watched: plausibility.ParameterWatch | None = None
    saved_s: float = field(default_factory=time.monotonic)
    save_s: float = 0.0  # what the last save took
    stepped_s: float = field(default_factory=time.monotonic)
    epoch_s: float | None = None  # None: this run did not see the epoch's beginning
    shown_s: float = 0.0
    times_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        emit = self.curves.record if self.curves else no_emit
        self.monitor = Monitor(emit, scaled=self.recipe.dtype == torch.float16)

    def after_step(self, s: State, indices: list[int], batch: Batch, found: Losses) -> Next:
        """Note the losses, show progress, save now and then, and decide how to go on."""
        numbers = self._numbers(found)
        verdict = self._judge_step(s, indices, batch, numbers)
        if verdict is Verdict.STOP:
            raise self.monitor.failure()
        if verdict is Verdict.ROLLBACK and (payload := self._last_good()) is not None:
            attempt = s.attempt + 1
            resume.unpack(s, payload)
            s.attempt = attempt
            self.epoch_s = None
            return Next.AGAIN
        if verdict is Verdict.OK:
            self._note(s, numbers)
        self._show(s, numbers)
        if self.recipe.ranks.any(self.stop.asked, self.recipe.device):
            self.save(s)
            return Next.END
        if self._due() and s.done < self.steps_per_epoch:
            self.save(s)
        return Next.GO

    def after_epoch(self, s: State) -> None:
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
        if self.curves:
            rate = float(s.optim_g.param_groups[0]["lr"])
            self.curves.epoch(s.step, done, s.epoch_means.means(), rate)
        s.epoch_means.clear()
        if done % self.p.save_every_epoch == 0 or done == self.p.total_epoch:
            if self.recipe.ranks.first:
                self.judge(s)
            self.save(s)
            if self.recipe.ranks.first:
                self.export(s)
        self.epoch_s = time.monotonic()

    def _learnt_nothing(self, s: State, done: int) -> None:
        """An epoch without one good step gives nothing to save, to hear or to hand out."""
        self.monitor.empty_epoch(s.step, done)
        if done == self.p.total_epoch:
            raise self.monitor.failure()
        self.epoch_s = time.monotonic()

    def save(self, s: State) -> None:
        """Keep everything needed to go on."""
        began = time.monotonic()
        if self.recipe.ranks.first:
            checkpoint.save(self.folder, resume.pack(s, self.identity, self.extra()))
            Saved(s.epoch, s.step, self._progress(s)[0]).write(self.folder)
        self.saved_s = self.stepped_s = time.monotonic()
        self.save_s = self.saved_s - began

    def cancelled(self, s: State) -> Cancelled:
        """What to tell after a stop."""
        return Cancelled(
            f"Stopped in epoch {s.epoch} of {self.p.total_epoch} after step {s.step}; everything "
            "is saved.",
            "Start it again with the same settings (without --cleanup) to go on from there.",
        )

    def _numbers(self, found: Losses) -> dict[str, float]:
        """Losses and norms as numbers, losses averaged over the ranks."""
        values = torch.stack([value.float() for value in found.values()])
        self.recipe.ranks.average([values])
        return dict(zip(found, values.tolist(), strict=True))

    def _judge_step(
        self, s: State, indices: list[int], batch: Batch, numbers: Mapping[str, float]
    ) -> Verdict:
        voiced, spread = plausibility.batch_statistics(batch.phone, batch.f0, batch.lengths)
        norms = {"d": numbers["norm_d"], "g": numbers["norm_g"]}
        losses = {k: v for k, v in numbers.items() if not k.startswith("norm")}
        names = [self.clips[i].name for i in indices]
        if self.recipe.ranks.world > 1:  # one verdict for all: from what all have in common
            both = torch.tensor([voiced, spread], device=self.recipe.device)
            self.recipe.ranks.average([both])
            voiced, spread = both.tolist()
        return self.monitor.step(s.step, s.epoch, losses, norms, names, voiced, spread)

    def _last_good(self) -> dict[str, Any] | None:
        return checkpoint.load(self.folder) if (self.folder / checkpoint.NAME).exists() else None

    def _note(self, s: State, numbers: Mapping[str, float]) -> None:
        s.epoch_means.add(numbers)
        s.window_means.add(numbers)
        if s.window_means.count >= WINDOW_STEPS:
            if self.curves:
                self.curves.window(s.step, s.epoch, s.window_means.means())
            s.window_means.clear()

    def _due(self) -> bool:
        """Whether the clock asks for a save; told of once after every step."""
        now = time.monotonic()
        step_s, self.stepped_s = now - self.stepped_s, now
        limit_s = save_after_s(step_s, self.save_s, self.p.save_every_minutes * 60)
        return self.recipe.ranks.tell(now - self.saved_s > limit_s)

    def _progress(self, s: State) -> tuple[int, int]:
        """Finished steps and all steps of the training."""
        done = (s.epoch - 1) * self.steps_per_epoch + s.done
        return done, self.p.total_epoch * self.steps_per_epoch

    def _show(self, s: State, numbers: Mapping[str, float]) -> None:
        now = time.monotonic()
        if len(self.times_s) <= MEASURED_STEPS:
            self.times_s.append(now)
            if len(self.times_s) == MEASURED_STEPS + 1:
                self._expect(s)
        if now - self.shown_s < SHOW_EVERY_S and s.done < self.steps_per_epoch:
            return
        self.shown_s = now
        values = " ".join(f"{name} {numbers[name]:.2f}" for name in SHOWN if name in numbers)
        note = f"{PHASE}epoch {s.epoch}/{self.p.total_epoch} {values}"
        try:
            self.report(*self._progress(s), note)
        except Cancelled:
            self.stop.asked = True

    def _expect(self, s: State) -> None:
        """Tell how long it will take, from the first steps."""
        step_s = (self.times_s[-1] - self.times_s[0]) / MEASURED_STEPS
        frames = self.recipe.settings.segment_frames
        floor = plausibility.shortest_step_s(
            (s.g, s.d), self.p.batch_size, frames, str(self.recipe.device)
        )
        self.monitor.before(
            len(self.clips), minutes(self.clips), self.steps_per_epoch, step_s, floor
        )
        left = (self.p.total_epoch - s.epoch + 1) * self.steps_per_epoch - s.done
        log.info("About %s until epoch %d.", duration(step_s * left), self.p.total_epoch)


def duration(seconds: float) -> str:
    """A length of time in words that suit it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
