"""How far a training is, and how long it still takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from rvc import Report
from rvc.dataset.filelist import Clip
from rvc.device import machine
from rvc.errors import Cancelled
from rvc.params.train import Train
from rvc.train.material import minutes
from rvc.train.monitor import Monitor
from rvc.train.plausibility import shortest_step_s
from rvc.train.state import State
from rvc.train.step import Recipe
from rvc.train.stopping import PHASE

log = logging.getLogger(__name__)

SHOW_EVERY_S = 1.0
MEASURED_STEPS = 3  # after the first, which warms up
SHOWN = ("mel", "kl", "fm", "adv", "d")

ShortestStep = Callable[[Iterable[nn.Module], int, int, str], float]


@dataclass
class Eta:
    """Shows progress after steps, and measures the first ones.

    Attributes:
        clips: those to learn from. shortest_step_s: time no real step can beat on this machine.
    """

    p: Train
    recipe: Recipe
    clips: Sequence[Clip]
    steps_per_epoch: int
    report: Report
    shortest_step_s: ShortestStep = shortest_step_s
    shown_s: float = 0.0
    times_s: list[float] = field(default_factory=list)

    def progress(self, s: State) -> tuple[int, int]:
        """Finished steps and all steps of the training."""
        done = (s.epoch - 1) * self.steps_per_epoch + s.done
        return done, self.p.total_epoch * self.steps_per_epoch

    def show(self, s: State, numbers: Mapping[str, float], monitor: Monitor) -> bool:
        """Report a step, at most once a second; False where the answer is a wish to stop."""
        now = time.monotonic()
        if len(self.times_s) <= MEASURED_STEPS:
            self.times_s.append(now)
            if len(self.times_s) == MEASURED_STEPS + 1:
                self._estimate(s, monitor)
        if now - self.shown_s < SHOW_EVERY_S and s.done < self.steps_per_epoch:
            return True
        self.shown_s = now
        values = " ".join(f"{name} {numbers[name]:.2f}" for name in SHOWN if name in numbers)
        note = f"{PHASE}epoch {s.epoch}/{self.p.total_epoch} {values}"
        try:
            self.report(*self.progress(s), note)
        except Cancelled:
            return False
        return True

    def _estimate(self, s: State, monitor: Monitor) -> None:
        """Say how long it will take, from the first steps."""
        step_s = (self.times_s[-1] - self.times_s[0]) / MEASURED_STEPS
        frames, device = self.recipe.settings.segment_frames, str(self.recipe.device)
        shortest_s = self.shortest_step_s((s.g, s.d), self.p.batch_size, frames, device)
        steps = self.steps_per_epoch
        where = {
            "machine": machine(),
            "device": device,
            "devices": self.recipe.ranks.world,
            "vocoder": self.p.vocoder,
            "sample_rate": self.p.sample_rate,
        }
        monitor.before(len(self.clips), minutes(self.clips), steps, step_s, shortest_s, where)
        done, total = self.progress(s)
        log.info("About %s until epoch %d.", duration(step_s * (total - done)), self.p.total_epoch)


def duration(seconds: float) -> str:
    """A length of time in words that suit it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
