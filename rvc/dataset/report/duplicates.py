"""Which recordings of a dataset are copies of each other, and whether they hold one voice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rvc.dataset.report.measure import Measured

COMMON = 12  # a fingerprint found more often than this says nothing
OFFSET = 3  # frames of 20 ms that count as the same place
COPY_SHARE = 0.12  # of the shorter one's fingerprints at one place: a copy, even re-encoded
COPY_LEAST = 12
SEPARATION = 6.0  # Ashman's D along the line between two groups
DISTANCE = 6.0  # between their centres, in units of how much one voice varies
MINORITY = 0.05
LEAST_PAIRS, LEAST_UNITS = 12, 12
UNIT = 12  # vectors, about 20 s of speech
OTHER_PITCH = 2 ** (2.5 / 12)


@dataclass(frozen=True)
class Groups:
    """Two kinds of sound in one dataset: the keys of the smaller kind, and how the two differ.

    `partly` are recordings that hold both kinds. `pitch_hz` are the median pitches of the larger
    and the smaller kind.
    """

    keys: list[str]
    partly: list[str]
    pitch_hz: tuple[float, float]
    separation: float

    @property
    def other_speaker(self) -> bool:
        """Whether the pitch alone tells them apart."""
        low, high = sorted(self.pitch_hz)
        return low > 0 and high / low > OTHER_PITCH


def copies(found: Sequence[Measured]) -> list[tuple[str, str]]:
    """Pairs of recordings with the same content: equal files, and other encodings or excerpts."""
    pairs: set[tuple[str, str]] = set()
    first: dict[str, str] = {}
    for one in found:
        if one.digest and one.digest in first:
            pairs.add((first[one.digest], one.key))
        first.setdefault(one.digest, one.key)
    votes = _votes(found)
    for (a, b), count in votes.items():
        shorter = min(int((found[i].prints > 0).sum()) for i in (a, b))
        if count >= max(COPY_LEAST, COPY_SHARE * shorter):
            pairs.add((found[a].key, found[b].key))
    return sorted(pairs)


def _votes(found: Sequence[Measured]) -> dict[tuple[int, int], int]:
    """Most fingerprints that two recordings share at one offset, by their positions in `found`."""
    prints = np.concatenate([one.prints for one in found]) if found else np.zeros(0, np.uint32)
    owner = np.repeat(np.arange(len(found)), [len(one.prints) for one in found])
    place = np.concatenate([np.arange(len(one.prints)) for one in found]) if found else owner
    _, inverse, counts = np.unique(prints, return_inverse=True, return_counts=True)
    telling = (prints > 0) & (counts[inverse] > 1) & (counts[inverse] <= COMMON)
    order = np.argsort(prints, kind="stable")
    order = order[telling[order]]
    starts = np.flatnonzero(np.diff(prints[order], prepend=0))
    votes: dict[tuple[int, int, int], int] = defaultdict(int)
    for group in np.split(order, starts[1:]):
        if len(group) and owner[group[0]] != owner[group[-1]]:
            for i, x in enumerate(group):
                for y in group[i + 1 :]:
                    if owner[x] < owner[y]:
                        votes[owner[x], owner[y], (place[y] - place[x]) // OFFSET] += 1
    best: dict[tuple[int, int], int] = defaultdict(int)
    for (a, b, _), count in votes.items():
        best[int(a), int(b)] = max(best[int(a), int(b)], count)
    return best


def groups(found: Sequence[Measured]) -> Groups | None:
    """Look for two kinds of recordings: a second speaker, or another microphone or room.

    Differences between neighbouring stretches of a recording tell how much one voice varies; in
    that measure the means of the recordings (of parts, where they are long) are parted in two and
    the gap is judged. Too little sound gives no answer.
    """
    units = [(one.key, part) for one in found if len(one.voice) for part in _units(one.voice)]
    steps = [np.diff(one.voice, axis=0) for one in found if len(one.voice) > 1]
    if len(units) < LEAST_UNITS or sum(map(len, steps)) < LEAST_PAIRS:
        return None
    change = np.concatenate(steps)
    within = change.T @ change / len(change) / 2 + 1e-3 * np.eye(change.shape[1])
    means = np.array([part.mean(axis=0) for _, part in units])
    points = means @ np.linalg.cholesky(np.linalg.inv(within))
    side = _parted(points)
    if not MINORITY <= side.mean() <= 1 - MINORITY or min(side.sum(), (~side).sum()) < 2:
        return None
    line = points[side].mean(axis=0) - points[~side].mean(axis=0)
    distance = float(np.linalg.norm(line))
    along = points @ (line / max(distance, 1e-9))
    spread = np.sqrt(along[side].var() * side.mean() + along[~side].var() * (1 - side.mean()))
    separation = distance / max(float(spread), 1e-9)
    if separation < SEPARATION or distance < DISTANCE:
        return None
    small = side if side.mean() <= 0.5 else ~side
    pitch = tuple(float(2 ** np.median(means[part, -1])) for part in (~small, small))
    inside = {key for (key, _), odd in zip(units, small, strict=True) if odd}
    outside = {key for (key, _), odd in zip(units, small, strict=True) if not odd}
    return Groups(
        sorted(inside - outside), sorted(inside & outside), (pitch[0], pitch[1]), separation
    )


def _units(voice: np.ndarray) -> list[np.ndarray]:
    """Parts of a recording's vectors that are compared as one."""
    return np.array_split(voice, max(1, len(voice) // UNIT))


def _parted(points: np.ndarray) -> np.ndarray:
    """(n,) bool: the two clusters that 2-means finds from the longest axis of the cloud."""
    centred = points - points.mean(axis=0)
    side: np.ndarray = centred @ np.linalg.svd(centred, full_matrices=False)[2][0] > 0
    for _ in range(50):
        if not 0 < side.sum() < len(side):
            break
        near = [((points - points[part].mean(axis=0)) ** 2).sum(1) for part in (side, ~side)]
        moved = near[0] < near[1]
        if (moved == side).all():
            break
        side = moved
    return side
