"""The record of a training: averages and findings in `metrics.jsonl`, TensorBoard beside it.

A finding of the training's monitor is a sentence with something to do about it. It goes to the
log, as a structured line to `metrics.jsonl`, and into the final report.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from rvc import files

log = logging.getLogger(__name__)

FILE = "metrics.jsonl"
WINDOW_STEPS = 50
APPLIO_TAGS = {
    "d": "d/adv",
    "adv": "g/adv",
    "fm": "g/fm",
    "kl": "g/kl",
    "mel": "g/mel",
    "total": "g/total",
}


class Averages:
    """Means of named values over steps."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = defaultdict(float)
        self.count = 0

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.sums[name] += value
        self.count += 1

    def means(self) -> dict[str, float]:
        return {name: total / max(1, self.count) for name, total in self.sums.items()}

    def state(self) -> dict[str, Any]:
        return {"sums": dict(self.sums), "count": self.count}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.clear()
        self.sums.update(state["sums"])
        self.count = state["count"]

    def clear(self) -> None:
        self.sums.clear()
        self.count = 0


class MetricsWriter:
    """Appends records to `metrics.jsonl`; those after `step` (of an undone past) are dropped.

    Args:
        board: makes the writer for TensorBoard from its folder and the step, or None.
    """

    def __init__(
        self, folder: Path, step: int = 0, board: Callable[[Path, int], Any] | None = None
    ) -> None:
        self.file = folder / FILE
        kept = [r for r in read(folder) if r.get("step", 0) <= step]
        text = "".join(json.dumps(r) + "\n" for r in kept)
        files.write_text(self.file, text)
        self.board = (board or summary_writer)(folder / "eval", step)

    def record(self, kind: str, step: int, epoch: int, **values: Any) -> None:
        """Add one line."""
        line = json.dumps({"kind": kind, "step": step, "epoch": epoch, **values})
        with self.file.open("a", encoding="utf-8") as out:
            out.write(line + "\n")

    def window(self, step: int, epoch: int, means: Mapping[str, float]) -> None:
        """Averages over the last WINDOW_STEPS steps."""
        self.record("steps", step, epoch, **means)
        if self.board:
            for name, value in means.items():
                tag = APPLIO_TAGS.get(name)
                self._scalar(f"loss_avg_50/{tag}" if tag else f"grad_avg_50/{name}", value, step)

    def epoch(self, step: int, epoch: int, means: Mapping[str, float], rate: float) -> None:
        """Averages over an epoch."""
        self.record("epoch", step, epoch, learning_rate=rate, **means)
        for name, value in {**means, "learning_rate": rate}.items():
            tag = APPLIO_TAGS.get(name)
            self._scalar(
                f"loss/{tag}" if tag else f"grad/{name}" if "norm" in name else name, value, step
            )

    def _scalar(self, tag: str, value: float, step: int) -> None:
        if self.board:
            self.board.add_scalar(tag, value, step)

    def sound(self, tag: str, wave: Tensor, step: int, rate: int) -> None:
        """A rendering for TensorBoard, wave (T,)."""
        if self.board:
            self.board.add_audio(tag, wave.clamp(-1, 1), step, rate)

    def image(self, tag: str, mel: Tensor, step: int) -> None:
        """A log-mel picture for TensorBoard, mel (M, T)."""
        if self.board:
            low, high = mel.min(), mel.max()
            self.board.add_image(tag, ((mel - low) / (high - low + 1e-9)).flip(0)[None], step)

    def close(self) -> None:
        if self.board:
            self.board.close()


def read(folder: Path) -> list[dict[str, Any]]:
    """All records of a training; a line cut short by a crash is left out."""
    file = folder / FILE
    if not file.is_file():
        return []
    records = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            log.warning("%s: a damaged line is left out.", file)
    return [r for r in records if isinstance(r, dict)]


def summary_writer(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None where that is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("TensorBoard is not installed; curves are in %s only.", FILE)
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


log = logging.getLogger(__name__)


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
    """Takes one line for `metrics.jsonl` (`rvc.train.metrics.MetricsWriter.record` fits)."""

    def __call__(self, kind: str, step: int, epoch: int, **values: Any) -> None: ...


def no_emit(kind: str, step: int, epoch: int, **values: Any) -> None:
    """An Emit for trainings that keep no record."""


class Findings:
    """All findings of a training, by rule."""

    def __init__(self, emit: Emit = no_emit) -> None:
        self.emit = emit
        self.by_rule: dict[str, Finding] = {}
        self.counts: dict[str, int] = {}

    def add(
        self,
        rule: str,
        level: str,
        sentence: str,
        hint: str,
        at: tuple[int, int] = (0, 0),
        values: dict[str, Any] | None = None,
        each: bool = False,
    ) -> None:
        """Note a finding at (step, epoch); it is logged once, or each time."""
        self.counts[rule] = self.counts.get(rule, 0) + 1
        if rule in self.by_rule and not each:
            return
        finding = Finding(rule, level, sentence, hint, *at, values=values or {})
        self.by_rule.setdefault(rule, finding)
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
        return [asdict(f) | {"count": self.counts[f.rule]} for f in self.by_rule.values()]
