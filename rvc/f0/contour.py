"""Pitch curves: arrays (T,) in Hz, one value per 10 ms, 0 where unvoiced.

The frames that extractors compute them by, arithmetic on them, and the pitch that is asked for,
made of the pitch that was sung. No input is too long or too short for any of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

RATE = 16_000
HOP = 160
SILENCE = 10 ** (-90 / 20)  # peak below which sound is digital silence, whatever a network says
LOW_HZ, HIGH_HZ, BINS = 50.0, 1100.0, 254  # the scale of `coarse`; part of every trained voice
NOTES_HZ = 440.0 * 2.0 ** (np.arange(-38, 16) / 12)  # G1 (49.0 Hz) to C6 (1046.5 Hz)


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


def mel(hz: np.ndarray | float) -> np.ndarray:
    """Hz on the mel scale (natural-logarithm form)."""
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


def coarse(f0_hz: np.ndarray) -> np.ndarray:
    """Bins 1..255 (int64) that the text encoder sees; 1 is unvoiced or below 50 Hz.

    Everything above 1100 Hz shares bin 255; the fine curve keeps its pitch.
    """
    low, high = mel(LOW_HZ), mel(HIGH_HZ)
    position = mel(np.nan_to_num(np.asarray(f0_hz, np.float64), posinf=0.0, neginf=0.0))
    position = np.where(position > 0, (position - low) * BINS / (high - low) + 1.0, 0.0)
    bins: np.ndarray = np.rint(np.clip(position, 1, 255))
    return bins.astype(np.int64)


def shift(f0_hz: np.ndarray, semitones: float) -> np.ndarray:
    """Transpose; unvoiced frames stay unvoiced."""
    moved: np.ndarray = f0_hz * 2.0 ** (semitones / 12)
    return moved.astype(np.float32)


def autotune(f0_hz: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Pull voiced frames towards the nearest semitone (A4 = 440 Hz) by `strength` (0..1)."""
    out = np.array(f0_hz, np.float64)
    voiced = out > 0
    steps = 12 * np.log2(out[voiced] / 440.0)
    out[voiced] = 440.0 * 2.0 ** ((steps + strength * (np.rint(steps) - steps)) / 12)
    return out.astype(np.float32)


def median_hz(f0_hz: np.ndarray) -> float:
    """The median of the voiced frames; 0 when there are fewer than two."""
    voiced = f0_hz[f0_hz > 0]
    return float(np.median(voiced)) if len(voiced) >= 2 else 0.0


def semitones_to(median_hz: float, target_hz: float) -> float:
    """Semitones from a median pitch to another; 0 for an unknown one (0 Hz)."""
    return 12 * float(np.log2(target_hz / median_hz)) if median_hz else 0.0


def fit(f0_hz: np.ndarray, frames: int) -> np.ndarray:
    """Cut, or repeat the last value, to exactly `frames` frames."""
    if len(f0_hz) >= frames:
        return f0_hz[:frames]
    if len(f0_hz) == 0:
        return np.zeros(frames, np.float32)
    return np.pad(f0_hz, (0, frames - len(f0_hz)), mode="edge")


@dataclass(frozen=True)
class PitchControl:
    """What is done to a pitch curve. Frames do not depend on one another: any cut will do.

    Attributes:
        semitones: added everywhere.
        autotune: 0..1, how far voiced frames are drawn to the nearest note; 0 leaves them.
        target_hz: the median that the result should have; None: any.
    """

    semitones: float = 0.0
    autotune: float = 0.0
    target_hz: float | None = None

    def __call__(self, f0_hz: np.ndarray, median_hz: float = 0.0) -> np.ndarray:
        """(T,) Hz, 0 where unvoiced -> the same with the wanted pitch.

        Args:
            median_hz: of the recording, see the function `median_hz`, or of a stream so far
                (`RunningMedian`); 0 where not known. Only `target_hz` needs it.
        """
        semitones = self.semitones
        if self.target_hz is not None:
            semitones += semitones_to(median_hz, self.target_hz)
        shifted = shift(f0_hz, semitones)
        return autotune(shifted, self.autotune) if self.autotune else shifted


@dataclass
class RunningMedian:
    """The median pitch of a stream so far: what a proposed pitch goes by where no end is known.

    Attributes:
        seconds: of voiced sound that are looked back on.
    """

    seconds: float = 30.0
    voiced: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def add(self, f0_hz: np.ndarray) -> float:
        """Take in the next frames (T,) of 10 ms; returns the median in Hz, 0 while unknown."""
        self.voiced = np.concatenate([self.voiced, f0_hz[f0_hz > 0]])[-round(self.seconds * 100) :]
        return median_hz(self.voiced)


@dataclass(frozen=True)
class Phase:
    """Where the sine source stands, so that the next window goes on without a click.

    Attributes:
        turns: 0..1 of the fundamental at the beginning of `frame`.
        frame: absolute pitch frame.
    """

    turns: float = 0.0
    frame: int = 0

    def advanced(self, f0_hz: np.ndarray, to: int, glides: bool, first: int = 0) -> Phase:
        """The phase where frame `to` begins.

        Args:
            f0_hz: (T,) pitch, its first value that of frame `first`; reaches from one frame
                before `self.frame` (where there is one) to `to`.
            glides: as of `turns_made`.
        """
        begin = max(0, self.frame - 1 - first)
        made = turns_made(f0_hz[begin : to + 1 - first], glides)
        made = made[self.frame - first - begin : to - first - begin]
        return Phase(float((self.turns + made.sum()) % 1.0), to)


def turns_made(f0_hz: np.ndarray, glides: bool) -> np.ndarray:
    """(T,) Hz -> (T,) turns of the fundamental made within each frame.

    Args:
        glides: the source interpolates the pitch between the middles of frames (RefineGAN);
            otherwise it holds it for a frame.
    """
    hz = np.asarray(f0_hz, np.float64)
    if glides and len(hz):
        around = np.pad(hz, 1, mode="edge")
        hz = (around[:-2] + 6 * hz + around[2:]) / 8
    return hz * HOP / RATE


def lead_in_hz(f0_hz: np.ndarray, at: int, turns: float, glides: bool) -> float:
    """Pitch in Hz of one frame to put before (T,) so that frame `at` begins with phase `turns`."""
    made = turns_made(np.concatenate([[0.0], f0_hz]), glides)[: at + 1].sum()
    return float((turns - made) % 1.0 * RATE / HOP)
