"""Several methods at once: the median of those that hear a pitch, so that one may err."""

from __future__ import annotations

from functools import partial

import numpy as np

from rvc import f0

SAME = 2.0 ** (1 / 12)  # estimates within a semitone agree
NEIGHBOURS = 10  # frames on each side that decide between two that disagree


class Hybrid:
    """Runs `names` one after the other; each is loaded once."""

    def __init__(self, names: tuple[str, ...], device: str = "cpu") -> None:
        self.members = [f0.load(name, device) for name in names]

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (T // 160 + 1,) float32 in Hz, 0 where unvoiced."""
        return combine(np.stack([member(wave_16k) for member in self.members]))


def combine(estimates_hz: np.ndarray) -> np.ndarray:
    """(methods, T) -> (T,): the median of the voiced estimates; voiced if half of them say so.

    Where an even number disagrees (such as two, an octave apart), the mean would be nobody's
    pitch: there the one nearest to the agreed pitch of the neighbourhood is taken.
    """
    voiced = estimates_hz > 0
    values = np.where(voiced, estimates_hz, np.inf)
    values.sort(axis=0)
    count = voiced.sum(axis=0)
    column = np.arange(values.shape[1])
    low = values[np.maximum(count - 1, 0) // 2, column]
    high = values[np.minimum(count // 2, len(values) - 1), column]
    known = (count > 0) & (2 * count >= len(values))
    low, high = np.where(known, low, 1.0), np.where(known, high, 1.0)
    middle = np.sqrt(low * high)
    for t in np.flatnonzero(known & (high > low * SAME)):
        near = slice(max(0, t - NEIGHBOURS), t + NEIGHBOURS + 1)
        agreed = middle[near][known[near] & (high[near] <= low[near] * SAME)]
        target = np.median(agreed) if len(agreed) else low[t]
        closer = abs(np.log(low[t] / target)) <= abs(np.log(high[t] / target))
        middle[t] = low[t] if closer else high[t]
    return np.where(known, middle, 0.0).astype(np.float32)


crepe_rmvpe = partial(Hybrid, ("crepe", "rmvpe"))
crepe_fcpe = partial(Hybrid, ("crepe", "fcpe"))
rmvpe_fcpe = partial(Hybrid, ("rmvpe", "fcpe"))
crepe_rmvpe_fcpe = partial(Hybrid, ("crepe", "rmvpe", "fcpe"))
