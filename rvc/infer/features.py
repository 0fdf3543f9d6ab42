"""Between embedder and voice: retrieval, change of frame rate, protection of unvoiced sounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np

from rvc.infer.segment import GRID, Piece

UNPROTECTED = 0.5  # values from here on switch protection off


class Blender(Protocol):
    """What is needed of an index: rvc.retrieval.index.Retriever."""

    def blend(self, features: np.ndarray, rate: float) -> np.ndarray:
        """(T, W) -> (T, W): mixed by `rate` with the nearest stored features."""


def doubled(features: np.ndarray, frames: int) -> np.ndarray:
    """(T, W) at 20 ms -> (frames, W) at 10 ms; the last row is repeated where some are missing."""
    index = np.minimum(np.arange(frames) // 2, len(features) - 1)
    return features[index]


def protected(
    mixed: np.ndarray, original: np.ndarray, f0_hz: np.ndarray, protect: float
) -> np.ndarray:
    """Give unvoiced frames back `1 - protect` of the speaker's own features.

    Args:
        mixed, original: (T, W) features with and without retrieval.
        f0_hz: (T,) pitch, 0 where unvoiced.
        protect: 0 keeps consonants and breaths wholly the speaker's own, 0.5 switches it off.
    """
    if protect >= UNPROTECTED:
        return mixed
    share = np.where(f0_hz > 0, 1.0, protect).astype(np.float32)[:, None]
    return mixed * share + original * (1 - share)


def content(
    features: np.ndarray, f0_hz: np.ndarray, index: Blender | None, rate: float, protect: float
) -> np.ndarray:
    """Embedder features (T / 2, W) -> what the text encoder hears: (T, W) for T frames of F0."""
    frames = len(f0_hz)
    if index is None or rate <= 0:
        return doubled(features, frames)
    mixed = doubled(index.blend(features, rate), frames)
    return protected(mixed, doubled(features, frames), f0_hz, protect)


def agreed(
    pieces: Iterable[Piece], hear: Callable[[Piece], np.ndarray]
) -> Iterator[tuple[Piece, np.ndarray]]:
    """Every piece with its features (T, W); neighbours get the same ones around their seam.

    An embedder hears its whole piece, so two pieces say different things of the same moment.
    What both have heard glides from one to the other, so no step is left to be heard.
    """
    before: tuple[Piece, np.ndarray] | None = None
    for piece in pieces:
        found = np.array(hear(piece), np.float32)
        if before is not None:
            if before[0].stop == piece.start:
                _glide(before[1], found, (piece.first - before[0].first) // GRID)
            yield before
        before = piece, found
    if before is not None:
        yield before


def _glide(ours: np.ndarray, theirs: np.ndarray, begin: int) -> None:
    """Mix, in place, the rows of `ours` from `begin` on with the first ones of `theirs`."""
    count = min(len(ours) - begin, len(theirs))
    share = (0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)).astype(np.float32)
    mixed = ours[begin : begin + count] + share[:, None] * (
        theirs[:count] - ours[begin : begin + count]
    )
    ours[begin : begin + count] = theirs[:count] = mixed
