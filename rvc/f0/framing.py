"""Frames and blocks shared by the extractors: no input is too long or short for any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

RATE = 16_000
HOP = 160
SILENCE = 10 ** (-90 / 20)  # peak below which sound is digital silence, whatever a network says


def frame_count(samples: int) -> int:
    """Frames of `samples` samples at 16 kHz: one per 10 ms and one for the end."""
    return samples // HOP + 1


@dataclass(frozen=True)
class Span:
    """A block of frames and the wider stretch that is computed for it.

    Frames [start, stop) are kept, frames [first, last) are computed.
    """

    start: int
    stop: int
    first: int
    last: int

    @property
    def keep(self) -> slice:
        """Where the kept frames lie within the computed ones."""
        return slice(self.start - self.first, self.stop - self.first)


def spans(frames: int, block: int, context: int) -> Iterator[Span]:
    """Cut `frames` frames into blocks of `block` with `context` more on both sides where there are.

    An input of up to block + 2 * context frames stays in one piece, so short ones cost nothing.
    """
    if frames <= block + 2 * context:
        yield Span(0, frames, 0, frames)
        return
    for start in range(0, frames, block):
        stop = min(start + block, frames)
        yield Span(start, stop, max(0, start - context), min(frames, stop + context))


def samples(wave: np.ndarray, start: int, stop: int, reflect: bool = True) -> np.ndarray:
    """Samples [start, stop) of `wave` (T,), which may reach over its ends.

    What lies outside is mirrored (`reflect`) or zero. Never copies more than asked for.
    """
    count = len(wave)
    if count == 0:
        return np.zeros(stop - start, np.float32)
    inside = np.asarray(wave[max(0, start) : max(0, min(stop, count))], np.float32)
    if len(inside) == stop - start:
        return np.array(inside)
    if not reflect:
        after = max(0, stop - max(count, start))
        return np.pad(inside, (stop - start - len(inside) - after, after))
    period = max(1, 2 * (count - 1))
    index = np.arange(start, stop) % period
    return np.asarray(wave[np.minimum(index, period - index)], np.float32)


def quiet(wave: np.ndarray) -> np.ndarray:
    """(T,) samples -> (frames,) bool: True where the 30 ms around a frame are digital silence."""
    frames = frame_count(len(wave))
    whole = len(wave) // HOP
    peaks = np.zeros(frames + 2, np.float32)  # one more on both sides
    for first in range(0, whole, 6000):
        part = np.asarray(wave[first * HOP : min(whole, first + 6000) * HOP], np.float32)
        peaks[1 + first : 1 + first + len(part) // HOP] = np.abs(part.reshape(-1, HOP)).max(axis=1)
    rest = np.asarray(wave[whole * HOP :], np.float32)
    peaks[frames] = np.abs(rest).max(initial=0)
    loudest = np.maximum(np.maximum(peaks[:-2], peaks[1:-1]), peaks[2:])
    return ~(loudest > SILENCE)  # a NaN is no sound either


def finish(f0_hz: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Make an estimate safe: float32, unvoiced where it is not a number or nothing sounds."""
    voiced = np.isfinite(f0_hz) & (f0_hz > 0) & ~quiet(wave)
    return np.where(voiced, f0_hz, 0.0).astype(np.float32)
