"""Applying a voice to sound; the steps that all of it shares, and where a recording is cut.

Silent stretches are left out, the rest is cut at its quietest points. All positions are samples
at 16 kHz and multiples of GRID, so that embedder frames (20 ms) and pitch frames (10 ms) of every
piece fall on the same instants as those of the whole recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rvc.audio.levels import exceeded, floor_db, held, widened

Span = tuple[int, int | None]  # first and past-the-last frame of a file; None is the end
WHOLE: Span = (0, None)
RATE = 16_000
FRAME = 160  # samples per pitch frame, 10 ms
FRAME_RATE = RATE // FRAME
GRID = 320  # samples per embedder frame, 20 ms
SILENT_DB = -60.0  # at most this loud is silence ...
BELOW_LOUD_DB = 20.0  # ... and beside quiet sound only what lies this far below it
NEIGHBOURS_S = 2.0, 10.0  # before and after a moment, which tell what is quiet there
ABOVE_FLOOR_DB = 9.0  # what is less above the noise of a quiet place is no sound
LEAST_SNR_DB = 15.0  # less between loud and low may be a voice without pauses ...
USUAL_DB = 6.0  # ... where it is usually so much above the low
EVENT_S = 0.1  # what is loud for less than this in all is a tap, which tells nothing
HYSTERESIS_DB = 6.0  # below the level at which sound begins it still goes on ...
GOES_ON_S = 0.2  # ... for so long
MARGIN_S = 0.16  # kept around everything that is not silent
SKIP_S = 0.30  # shorter silences are not worth a cut
PIECE_S = 8.0
CONTEXT_S = 1.0
SILENT_CONTEXT_S = 0.3  # heard of a silence beyond MARGIN_S: more of it tells nothing


@dataclass(frozen=True)
class Piece:
    """Samples [start, stop) are converted; [first, last) is what the networks see.

    Attributes:
        low, high: nothing outside [low, high) may be read: there the sound is mirrored.
    """

    start: int
    stop: int
    first: int
    last: int
    low: int
    high: int

    @property
    def frames(self) -> int:
        """Pitch frames of [first, last)."""
        return (self.last - self.first) // FRAME


def levels(wave_16k: np.ndarray) -> np.ndarray:
    """(T,) samples -> (ceil(T / 160),) level of every 10 ms in dBFS (RMS), at least -200."""
    count = -(-len(wave_16k) // FRAME)
    padded = np.zeros(count * FRAME, np.float32)
    padded[: len(wave_16k)] = wave_16k
    power = np.square(padded.reshape(count, FRAME), dtype=np.float64).mean(axis=1)
    out: np.ndarray = (10 * np.log10(np.maximum(power, 1e-20))).astype(np.float32)
    return out


def sounding(levels_db: np.ndarray, gate_db: str = "auto") -> np.ndarray:
    """(F,) levels -> (F,) bool: where the recording holds more than silence.

    Args:
        gate_db: "auto" goes by the neighbourhood of each moment; a number is the level in dBFS up
            to which all is silent; "off" calls nothing silent.
    """
    if gate_db == "off":
        return np.ones(len(levels_db), bool)
    threshold_db = _threshold(levels_db) if gate_db == "auto" else float(gate_db)
    kept = levels_db > threshold_db - HYSTERESIS_DB
    return held(levels_db > threshold_db, kept, round(GOES_ON_S * FRAME_RATE))


def _threshold(levels_db: np.ndarray) -> np.ndarray:
    """(F,) the level in dBFS at or below which each frame counts as silent.

    The quietest neighbourhood that holds sound decides, near or wide, before or after.
    """
    lowest = np.full(len(levels_db), SILENT_DB)
    least = min(round(EVENT_S * FRAME_RATE), max(1, len(levels_db) // 2))
    noise, usual = (
        floor_db(levels_db, round(2 * NEIGHBOURS_S[-1] * FRAME_RATE), percent)
        for percent in (5.0, 50.0)
    )
    for seconds in NEIGHBOURS_S:
        for loud in exceeded(levels_db, round(seconds * FRAME_RATE), least):
            steady = (noise >= loud - LEAST_SNR_DB) & (usual > noise + USUAL_DB)
            own = np.maximum(
                loud - BELOW_LOUD_DB, np.where(steady, -np.inf, noise + ABOVE_FLOOR_DB)
            )
            lowest = np.where(loud > SILENT_DB, np.minimum(lowest, own), lowest)
    return lowest


def stretches(active: np.ndarray, shortest_gap: int) -> list[tuple[int, int]]:
    """(F,) bool -> [first, last) of every run of True; gaps under `shortest_gap` are bridged."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    runs: list[tuple[int, int]] = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and begin - runs[-1][1] < shortest_gap:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((begin, end))
    return runs


def cuts(levels_db: np.ndarray, begin: int, end: int, longest: int) -> list[int]:
    """Frames where [begin, end) is divided into parts of at most `longest`, at quiet points.

    Every cut lies in the second half of what is still allowed, at the lowest mean level of the
    300 ms around it; both ends are included in the result.
    """
    power = 10 ** (levels_db[begin:end].astype(np.float64) / 10)
    smooth = np.convolve(np.pad(power, 15, mode="edge"), np.ones(31) / 31, "valid")
    points = [begin]
    while end - points[-1] > longest:
        low = points[-1] + longest // 2
        high = min(points[-1] + longest, end)
        quietest = low + int(np.argmin(smooth[low - begin : high - begin]))
        points.append(max(points[-1] + 2, quietest - quietest % 2))
    return [*points, end]


def plan(
    levels_db: np.ndarray,
    samples: int,
    piece_s: float | None = None,
    context_s: float = CONTEXT_S,
    loud: np.ndarray | None = None,
    isolated: bool = False,
) -> list[Piece]:
    """Pieces that cover everything but the silent stretches of a recording.

    Args:
        levels_db: of every 10 ms, as `levels` gives them.
        samples: length of the recording at 16 kHz.
        piece_s, context_s: longest piece (None: PIECE_S), and what is heard before and after it.
        loud: (F,) bool, where it holds more than silence; None asks `sounding`.
        isolated: no piece hears anything beyond the stretch between two silences it lies in.
    """
    active = widened(sounding(levels_db) if loud is None else loud, round(MARGIN_S * FRAME_RATE))
    pad = len(active) % 2
    if pad:
        active = np.append(active, active[-1])
    active = np.repeat(active.reshape(-1, 2).any(axis=1), 2)
    gap = round(SKIP_S * FRAME_RATE)
    piece_s = PIECE_S if piece_s is None else piece_s
    longest = max(2, round(piece_s * FRAME_RATE) // 2 * 2)
    context = round(context_s * RATE) // GRID * GRID
    silent = min(context, round(SILENT_CONTEXT_S * RATE) // GRID * GRID)
    pieces, levels_db = [], np.append(levels_db, levels_db[-1:])
    for begin, end in stretches(active, gap):
        low, high = (begin * FRAME, min(end * FRAME, samples)) if isolated else (0, samples)
        points = cuts(levels_db, begin, end, longest)
        for a, b in zip(points[:-1], points[1:], strict=True):
            start, stop = a * FRAME, b * FRAME
            before = silent if 0 < a == begin else context
            after = silent if b == end < len(active) else context
            pieces.append(Piece(start, stop, start - before, stop + after, low, high))
    return pieces


def mirrored(first: int, last: int, low: int, high: int) -> np.ndarray:
    """Indices of [first, last) with everything outside [low, high) mirrored at its ends."""
    period = max(1, 2 * (high - low - 1))
    index = (np.arange(first, last) - low) % period
    return low + np.minimum(index, period - index)


def fades(start: bool, stop: bool, frames: int, hop: int) -> np.ndarray:
    """Gain for the sound of frames [-1, frames + 1) around a piece: raised-cosine ramps of 20 ms.

    Neighbouring pieces add up to one. Where `start` or `stop` is False there is no neighbour and
    no silence but the end of the recording: no ramp.
    """
    gain = np.ones((frames + 2) * hop, np.float32)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))).astype(np.float32)
    if start:
        gain[: 2 * hop] *= ramp
    if stop:
        gain[-2 * hop :] *= ramp[::-1]
    return gain
