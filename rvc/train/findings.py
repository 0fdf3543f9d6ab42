"""What a training's monitor has to say: each finding is a sentence with something to do about it.

It goes to the log, as a structured line to `metrics.jsonl`, and into the final report.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

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
