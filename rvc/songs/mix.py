"""A converted voice and an accompaniment become one song again, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy import ndimage

from rvc import Report
from rvc.audio.dsp import Loudness, TruePeak
from rvc.audio.stream import BLOCK, Spool

FRAME_RATE = 100  # levels and gains per second
LOUD_SHARE = 95  # percentile of the levels that counts as loud
SILENT_DB = -70.0
QUIET_S = 0.3  # shorter breaks belong to the voice
FADE_FRAMES = 3
PAN_S = 0.5  # a voice does not jump from side to side faster
MOST_GAIN_DB = 20.0  # of matching loudness


class Sides:
    """A sound of one or two channels of any length, kept in spools.

    Args:
        open_files: closes them.
        folder: where long ones lie.
    """

    def __init__(self, channels: int, open_files: ExitStack, folder: Path) -> None:
        self.spools = [open_files.enter_context(Spool(folder)) for _ in range(channels)]

    def append(self, wave: np.ndarray) -> None:
        """Add (T, C)."""
        for side, spool in enumerate(self.spools):
            spool.append(wave[:, side])

    def __len__(self) -> int:
        return len(self.spools[0])

    def read(self, start: int, stop: int) -> np.ndarray:
        """(T, C) of samples [start, stop), as far as there are any."""
        return np.stack([spool.read(start, stop) for spool in self.spools], axis=1)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(position, samples (T, C)) of the whole sound, in order."""
        for start in range(0, len(self), BLOCK):
            yield start, self.read(start, start + BLOCK)

    def changed(self, change: Callable[[Spool], Spool]) -> None:
        """Replace every channel by what `change` makes of it."""
        self.spools = [change(spool) for spool in self.spools]


def frame_powers(sound: Sides, rate: int) -> np.ndarray:
    """(F, C) mean square of every 10 ms of each channel."""
    hop = rate // FRAME_RATE
    found, held = [], np.zeros((0, len(sound.spools)), np.float32)
    for _, block in sound.blocks():
        held = np.concatenate([held, block])
        count = len(held) // hop
        frames = held[: count * hop].reshape(count, hop, -1)
        found.append(np.square(frames, dtype=np.float64).mean(axis=1))
        held = held[count * hop :]
    if len(held):
        found.append(np.square(held, dtype=np.float64).mean(axis=0, keepdims=True))
    return np.concatenate(found)


def sung(powers: np.ndarray, quiet_below_db: float) -> np.ndarray:
    """(F,) gain 0 to 1 per 10 ms: 1 where there is a voice, 0 where it is quiet for long."""
    levels = 10 * np.log10(powers.mean(axis=1) + 1e-12)
    heard = levels[levels > SILENT_DB]
    if not len(heard):
        return np.zeros(len(levels), np.float32)
    limit = max(SILENT_DB, float(np.percentile(heard, LOUD_SHARE)) + quiet_below_db)
    loud = levels > limit
    shortest = round(QUIET_S * FRAME_RATE)
    # closing fills breaks shorter than QUIET_S; the widening keeps onsets and fades
    framed = np.pad(loud, shortest)
    closed = ndimage.binary_closing(framed, np.ones(shortest))[shortest:-shortest]
    wide = ndimage.binary_dilation(closed | loud, np.ones(2 * FADE_FRAMES + 1))
    ramp = ndimage.uniform_filter1d(wide.astype(np.float32), FADE_FRAMES, mode="nearest")
    return np.asarray(ramp, np.float32)


def places(powers: np.ndarray) -> np.ndarray:
    """(F, C) gains that put one sound where the voice stood between the sides.

    Their squares add up to the number of channels: a voice in the middle keeps its level.
    """
    channels = powers.shape[1]
    size = round(PAN_S * FRAME_RATE)
    smooth = ndimage.uniform_filter1d(powers, size, axis=0, mode="nearest") + 1e-12
    return np.asarray(np.sqrt(channels * smooth / smooth.sum(axis=1, keepdims=True)), np.float32)


def gains_at(frames: np.ndarray, rate: int, start: int, count: int) -> np.ndarray:
    """Samples [start, start + count) of gains (F,) or (F, C) given at the middle of each 10 ms."""
    hop = rate // FRAME_RATE
    at = np.clip((np.arange(start, start + count) + 0.5) / hop - 0.5, 0, len(frames) - 1)
    first = int(at[0])
    last = min(int(at[-1]) + 1, len(frames) - 1)
    near = frames[first : last + 1]
    columns = near.reshape(len(near), -1).T
    grid = np.arange(first, last + 1)
    out = np.stack([np.interp(at, grid, column) for column in columns], axis=1)
    return np.asarray(out if frames.ndim > 1 else out[:, 0], np.float32)


def loudness_of(sound: Sides, rate: int) -> float:
    """Integrated loudness in LUFS; -inf for silence."""
    meter = Loudness(rate, len(sound.spools))
    for _, block in sound.blocks():
        meter.add(block)
    return meter.lufs()


def matching_gain_db(wanted_lufs: float, found_lufs: float) -> float:
    """Gain in dB that brings one loudness to another, within reason; 0 where one is silent."""
    if not (np.isfinite(wanted_lufs) and np.isfinite(found_lufs)):
        return 0.0
    return float(np.clip(wanted_lufs - found_lufs, -MOST_GAIN_DB, MOST_GAIN_DB))


def mixed(parts: Sequence[tuple[Sides, float]]) -> Iterator[np.ndarray]:
    """Sounds of one length together, (T, C) at a time, each with its gain in dB."""
    for start in range(0, len(parts[0][0]), BLOCK):
        yield np.sum(
            [sound.read(start, start + BLOCK) * np.float32(10 ** (db / 20)) for sound, db in parts],
            axis=0,
        )


def headroom(blocks: Iterator[np.ndarray], channels: int, ceiling_db: float) -> float:
    """Gain, at most 1, that keeps the true peak of a sound at or below a ceiling in dBTP."""
    meter = TruePeak(channels)
    for block in blocks:
        meter.add(block)
    ceiling = 10 ** (ceiling_db / 20) * 0.99  # resampling in a player may add a hair
    return min(1.0, ceiling / meter.peak) if meter.peak > 0 else 1.0


def shift(
    sound: Sides, rate: int, semitones: int, make: Callable[[], Spool], report: Report
) -> None:
    """Transpose a sound without changing its length.

    Raises:
        MissingModel: pedalboard is not installed.
    """
    from rvc.audio import effects
    from rvc.infer.polish import chunked
    from rvc.params import Effects

    asked = Effects(post_process=True, pitch_shift=True, pitch_shift_semitones=semitones)
    chain = effects.Chain(["pitch_shift"], asked)

    def moved(wave: np.ndarray) -> np.ndarray:
        return chain(wave, rate, reset=True)

    sound.changed(lambda spool: chunked(spool, rate, moved, make, report))
