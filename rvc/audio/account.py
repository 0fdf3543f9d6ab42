"""What a reader could not read or had to decide: nothing of a recording is lost in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

MOST = 100  # losses told one by one
DAMAGED = "is damaged and became silence"
DAMAGED_END = "at the end is damaged and left out"
PLAYED = "is damaged"
HOLE = "is missing by the time stamps and became silence"
BROKEN = "may be missing: what follows does not join there"
BEGINNING = "before its beginning is no sound that can be read"
PAGES = "may be missing: parts of the file are damaged"
UNUSED = "may be missing: most of the file's bytes belong to no packet of sound"
JUMP = "may be missing: the time stamps jump"
ENDLESS = "may be missing at the end: the file ends before its stream does"
CUT = "is missing: the file ends before its header says"
NEAR_S = 0.5  # losses of one cause that lie closer together are told as one


class LossJson(TypedDict):
    """One loss in the JSON results."""

    at_s: float
    seconds: float | None
    why: str


@dataclass(frozen=True)
class Loss:
    """Sound that is not in what was read.

    Attributes:
        at_s: where in the sound that was read. seconds: how much, None where nobody knows.
        why: "is damaged", said after the amount.
    """

    at_s: float
    seconds: float | None
    why: str

    def __str__(self) -> str:
        amount = "an unknown amount" if self.seconds is None else f"{self.seconds:.2f} s"
        return f"at {self.at_s:.2f} s {amount} {self.why}"

    def json(self) -> LossJson:
        seconds = None if self.seconds is None else round(self.seconds, 3)
        return {"at_s": round(self.at_s, 3), "seconds": seconds, "why": self.why}


@dataclass
class Account:
    """Collects, in the order of the recording, what to tell whoever asked for it.

    Attributes:
        losses: sound that is missing or damaged, `MOST` of them at most.
        notes: decisions, such as which track was read. more: losses beyond `MOST`.
    """

    losses: list[Loss] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: int = 0

    def lose(self, at_s: float, seconds: float | None, why: str) -> None:
        """Enter a loss; neighbours of one cause become one."""
        last = self.losses[-1] if self.losses else None
        known = seconds is not None
        near = last is not None and at_s - last.at_s - (last.seconds or 0.0) <= NEAR_S
        if last is not None and near and last.why == why and (last.seconds is not None) == known:
            both = (last.seconds or 0.0) + (seconds or 0.0)
            self.losses[-1] = Loss(last.at_s, both if known else None, why)
            return
        if len(self.losses) < MOST:
            self.losses.append(Loss(at_s, seconds, why))
        else:
            self.more += 1

    def note(self, text: str) -> None:
        """Enter a decision, once."""
        if text not in self.notes:
            self.notes.append(text)

    def sentences(self) -> list[str]:
        """Each thing to tell as one line; empty when all was read as it was."""
        return [str(loss) for loss in self.losses] + self.remarks()

    def remarks(self) -> list[str]:
        """All that is not one of `losses`."""
        more = [f"{self.more} more places are lost or damaged"] if self.more else []
        return more + self.notes

    def json(self) -> list[LossJson]:
        """The losses for a JSON result."""
        return [loss.json() for loss in self.losses]
