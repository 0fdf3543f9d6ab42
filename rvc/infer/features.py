"""Between embedder and voice: retrieval, change of frame rate, protection of unvoiced sounds."""

from __future__ import annotations

from typing import Protocol

import numpy as np

UNPROTECTED = 0.5  # values from here on switch protection off


class Blender(Protocol):
    """What is needed of an index: rvc.features.index.Retriever."""

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
