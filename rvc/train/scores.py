"""Which save of a training is the best, and when going on has stopped helping.

The rule: `score = mel + F0_WEIGHT * f0_semitones`, both measured on held-out clips, lower is
better: `mel` is the mean distance of log-mel spectra (nepers), `f0_semitones` the mean error of
the measured pitch over all frames that should be voiced (12 at most, and where they are not).
With several speakers every speaker counts alike: the means are over speakers, not over clips.
The best save is the one with the lowest score. When no save has been clearly better than the
best one before it (by RELATIVE) for PATIENCE saves and for a fifth of all saves, stopping is
recommended; training goes on unless someone stops it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

FOLDER = "renders"  # of the sounds that are scored, in an experiment's eval/
F0_WEIGHT = 0.1
RELATIVE = 0.002
PATIENCE = 10


@dataclass(frozen=True)
class Score:
    """How one save sounds; `similarity` and `dnsmos` only where their packages are installed.

    Attributes:
        speakers: the same by speaker, where there are several.
    """

    epoch: int
    step: int
    mel: float
    f0_semitones: float
    similarity: float | None = None
    dnsmos: float | None = None
    speakers: Mapping[str, Mapping[str, float]] | None = None

    @property
    def value(self) -> float:
        """Lower is better."""
        return self.mel + F0_WEIGHT * self.f0_semitones

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ClipScore:
    """How one clip sounds; None is what could not be measured on it."""

    speaker: int
    mel: float
    f0_semitones: float | None
    similarity: float | None = None
    dnsmos: float | None = None


MEASURES = ("mel", "f0_semitones", "similarity", "dnsmos")


def score_of(
    epoch: int, step: int, clips: Sequence[ClipScore], names: Mapping[str, str] | None = None
) -> Score:
    """The score of a save from its clips; `names` are the speakers' by number."""
    by_speaker: dict[int, list[ClipScore]] = defaultdict(list)
    for one in clips:
        by_speaker[one.speaker].append(one)
    found = {
        (names or {}).get(str(speaker), str(speaker)): {
            name: mean
            for name in MEASURES
            if (mean := _mean(getattr(one, name) for one in own)) is not None
        }
        for speaker, own in sorted(by_speaker.items())
    }
    overall = {name: _mean(own.get(name) for own in found.values()) for name in MEASURES}
    return Score(
        epoch,
        step,
        overall["mel"] or 0.0,
        overall["f0_semitones"] or 0.0,
        overall["similarity"],
        overall["dnsmos"],
        found if len(found) > 1 else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def best(scores: Sequence[Score]) -> Score | None:
    """The best of all saves; of equals the earliest."""
    return min(scores, key=lambda score: (score.value, score.step), default=None)


def stale(scores: Sequence[Score]) -> int:
    """How many saves ago the best score last became clearly better."""
    mark, since = float("inf"), 0
    for score in scores:
        if score.value < mark * (1 - RELATIVE):
            mark, since = score.value, 0
        else:
            since += 1
    return since


def advise_to_stop(scores: Sequence[Score]) -> bool:
    """Whether more training has stopped helping."""
    return stale(scores) >= max(PATIENCE, len(scores) // 5)
