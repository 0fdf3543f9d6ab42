"""What counts as loud and as silent at each moment of a recording, told by what lies around it.

One number for a whole file would let one tap on the microphone, or one loud phrase, decide about
a quiet voice minutes away. Levels are (F,) in dBFS at equal steps; windows are counted in steps.
scipy is imported where it is used, because workers start without it.
"""

from __future__ import annotations

import numpy as np

NOTHING_DB = -200.0
LOUDEST_GAIN = 10 ** (30 / 20)  # of the envelope: nothing is lifted by more ...
ABOVE_INPUT = 10 ** (12 / 10)  # ... in power; nor above the input around it by more
SMOOTH = np.hanning(11)[1:-1] / 5  # of steps of 10 ms: the gain follows within 50 ms
AROUND = 4  # steps in which the input may be that loud


def exceeded(levels_db: np.ndarray, window: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    """The loudness before and after every step, whatever happens for less than `least` steps.

    Returns:
        Two (F,): the level reached by at least `least` of the `window` steps that end with each
        step, and of those that begin with it; NOTHING_DB where there are not so many. The lower
        of the two is what radar calls smallest-of CFAR: a loud neighbour on one side hides
        nothing on the other.
    """
    from scipy import ndimage

    half = window // 2
    padded = np.pad(levels_db, 2 * half, constant_values=NOTHING_DB)
    centred = ndimage.rank_filter(padded, rank=-least, size=2 * half)  # of [i - half, i + half)
    first, count = 2 * half, len(levels_db)
    return centred[first - half + 1 :][:count], centred[first + half :][:count]


def floor_db(levels_db: np.ndarray, window: int, percent: float = 5.0) -> np.ndarray:
    """(F,) the level below which `percent` of the `window` steps around each step lie."""
    from scipy import ndimage

    if not len(levels_db):
        return levels_db
    out: np.ndarray = ndimage.percentile_filter(
        levels_db, percent, size=min(window, len(levels_db)), mode="reflect"
    )
    return out


def widened(mask: np.ndarray, reach: int) -> np.ndarray:
    """(F,) bool -> (F,) bool: True within `reach` steps of a True."""
    if not len(mask):
        return mask
    near = np.convolve(mask.astype(np.float32), np.ones(2 * reach + 1))
    return near[reach : reach + len(mask)] > 0.5


def held(opened: np.ndarray, kept: np.ndarray, reach: int) -> np.ndarray:
    """Hysteresis: (F,) bool, True from what is `opened` on as long as it is `kept`.

    Args:
        kept: loud enough to go on, though not to begin.
        reach: steps after and before `opened` for which that holds at most.
    """
    from scipy import ndimage

    allowed = opened | (kept & widened(opened, reach))
    labels, count = ndimage.label(allowed)
    reached = np.zeros(count + 1, bool)
    reached[labels[opened]] = True
    reached[0] = False
    out: np.ndarray = reached[labels]
    return out


class Envelope:
    """Power of a signal in equal steps, as it streams by; no step drifts, whatever the rate.

    Args:
        rate: of the signal in Hz. steps_hz: steps per second.
    """

    def __init__(self, rate: int, steps_hz: int) -> None:
        self.rate, self.steps_hz = rate, steps_hz
        self.rest = np.zeros(0, np.float32)
        self.steps = self.seen = 0  # steps so far, and the samples they hold
        self.powers: list[np.ndarray] = []

    def add(self, wave: np.ndarray) -> None:
        """Take the next block (T,)."""
        wave = np.concatenate([self.rest, wave])
        end = (self.seen + len(wave)) * self.steps_hz // self.rate
        edges = np.arange(self.steps, end + 1) * self.rate // self.steps_hz - self.seen
        if len(edges) > 1:
            self.powers.append(_mean_squares(wave, edges))
            wave = wave[edges[-1] :]
            self.seen += int(edges[-1])
            self.steps = end
        self.rest = wave

    def power(self) -> np.ndarray:
        """(K,) mean square of every step; a last part of a step counts as one."""
        last = [_mean_squares(self.rest, np.array([0, len(self.rest)]))] if len(self.rest) else []
        return np.concatenate([np.zeros(0), *self.powers, *last])


def _mean_squares(wave: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(K + 1,) edges, the first 0, none twice -> (K,) mean squares between them."""
    sums = np.add.reduceat(np.square(wave[: edges[-1]], dtype=np.float64), edges[:-1])
    out: np.ndarray = sums / np.diff(edges)
    return out


def envelope_gain(power_in: np.ndarray, power_out: np.ndarray, keep: float) -> np.ndarray:
    """(K,) gain at every step of 10 ms that brings the result's envelope to the input's.

    Args:
        power_in, power_out: (K,) of the input and the result, as `Envelope.power` gives them.
        keep: 1 leaves the result as it is, 0 gives it the input's envelope.
    """
    count = min(len(power_in), len(power_out))
    if keep >= 1 or not count:
        return np.ones(count)
    given, made = power_in[:count], power_out[:count]
    ratio = _smooth(given) / np.maximum(_smooth(made), 1e-12)
    from scipy import ndimage

    highest = ndimage.maximum_filter1d(given, 2 * AROUND + 1, mode="nearest") * ABOVE_INPUT
    near = ndimage.maximum_filter1d(made, 3, mode="nearest")  # between steps the gain is a line
    ratio = np.minimum(ratio, highest / np.maximum(near, 1e-12))
    gain: np.ndarray = np.minimum(ratio ** ((1 - keep) / 2), LOUDEST_GAIN)
    return gain


def _smooth(power: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    out: np.ndarray = ndimage.convolve1d(power, SMOOTH, mode="nearest")
    return out
