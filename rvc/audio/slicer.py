"""Cuts recordings at silences into pieces for training, and loses nothing but dead air.

Two levels are at work. Below `QUIET_DB` a pause is good for a cut; but a breath may lie there, so
what is thrown away must be below the lower `dead` level, which follows the recording's own noise
floor and never exceeds `DEAD_DB`. Both follow what lies around each moment: a quiet voice has
pauses too, and is not dead because the rest of the recording is noisy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rvc.audio import levels
from rvc.audio.dsp import db, moving_power, peak

HOP_S = 0.015
QUIET_HOP_S = 0.02  # where the quietest point is looked for
WINDOW_HOPS = 4
QUIET_DB = -42.0  # a pause quieter than this may be cut ...
BELOW_LOUD_DB = 20.0  # ... beside quiet sound only one that lies this far below it
NEIGHBOURS_S = 3.0  # before and after a moment, which tell what is quiet there
EVENT_S = 0.15  # what is loud for less than this in all tells nothing
FLOOR_S = 20.0  # around a moment, whose quietest parts are its noise floor
DEAD_DB = -50.0  # only what is quieter than this may be thrown away
FAINTEST_DB = -75.0
ABOVE_FLOOR_DB = 9.0
PAUSE_S = 0.4  # shortest pause worth a cut
SHORTEST_S = 1.5  # pieces are not cut shorter than this
KEEP_S = 0.5  # silence kept at either side of sound
WINDOW_S = 3.0
OVERLAP_S = 0.3
LAST_S = 0.5  # a shorter rest is joined to the piece before it

Span = tuple[int, int]


def level_db(wave: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """RMS level in dBFS every 15 ms over 60 ms: ((T // hop + 1,), hop in samples)."""
    hop = max(1, round(HOP_S * rate))
    return 10 * np.log10(np.maximum(moving_power(wave, WINDOW_HOPS * hop, hop), 1e-12)), hop


def dead_db(level: np.ndarray) -> np.ndarray:
    """(F,) the level below which there is nothing: a little above the noise floor.

    The floor is that of the neighbourhood or of the whole recording, whichever is lower: a long
    whisper without a pause is no floor, nor is the noise of another part.
    """
    near = levels.floor_db(level, round(FLOOR_S / HOP_S))
    floor = np.minimum(near, np.percentile(level, 5) if len(level) else FAINTEST_DB)
    out: np.ndarray = np.clip(floor + ABOVE_FLOOR_DB, FAINTEST_DB, DEAD_DB)
    return out


def pause_db(level: np.ndarray) -> np.ndarray:
    """(F,) the level at or below which a pause may be cut: well below the sound around it."""
    window = round(NEIGHBOURS_S / HOP_S)
    loud = np.minimum(*levels.exceeded(level, window, round(EVENT_S / HOP_S)))
    low = np.where(loud > FAINTEST_DB, loud - BELOW_LOUD_DB, QUIET_DB)
    out: np.ndarray = np.minimum(QUIET_DB, np.maximum(low, dead_db(level)))
    return out


def runs(mask: np.ndarray) -> list[Span]:
    """[start, stop) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def phrases(wave: np.ndarray, rate: int, gate_db: str = "auto") -> list[Span]:
    """Spans of samples between silences, in order, without overlap; none for a silent wave.

    Dead air longer than twice 0.5 s loses its middle; the ends keep up to 0.5 s. Pauses of 0.4 s
    and more are cut at their quietest point once a piece has 1.5 s.

    Args:
        gate_db: up to which level there is nothing; "auto" asks `dead_db`, "off" keeps all.
    """
    level, hop = level_db(wave, rate)
    keep = round(KEEP_S * rate)
    if len(wave) <= 2 * keep and db(peak(wave)) > DEAD_DB:
        return [(0, len(wave))]  # too short for its mean level to say anything
    spans: list[Span] = []
    pauses = runs(level <= pause_db(level))
    for start, stop in _alive(_dead(level, gate_db), hop, keep, len(wave)):
        quiet = [
            (max(a * hop, start), min(b * hop, stop))
            for a, b in pauses
            if b * hop > start and a * hop < stop
        ]
        spans += _cut(quiet, level, hop, start, stop, rate)
    return spans


def _dead(level: np.ndarray, gate_db: str) -> np.ndarray:
    """(F,) bool, where there is nothing."""
    if gate_db == "off":
        return np.zeros(len(level), bool)
    return level <= (dead_db(level) if gate_db == "auto" else float(gate_db))


def _alive(dead: np.ndarray, hop: int, keep: int, size: int) -> list[Span]:
    """What remains when long dead stretches lose their middles."""
    if dead.all():
        return []
    spans, start = [], 0
    for a, b in runs(dead):
        low, high = a * hop, min(b * hop, size)
        first, last = a == 0, b == len(dead)
        if not first and not last and high - low <= 2 * keep:
            continue
        if first:
            start = max(0, high - keep)
        else:
            spans.append((start, min(low + keep, size)))
            start = max(high - keep, spans[-1][1])
            if last:
                return spans
    return [*spans, (start, size)]


def _cut(
    quiet: list[Span], level: np.ndarray, hop: int, start: int, stop: int, rate: int
) -> Iterator[Span]:
    """Split start:stop inside its pauses, at the quietest point of each."""
    for low, high in quiet:
        if high - low < PAUSE_S * rate or high >= stop or low - start < SHORTEST_S * rate:
            continue
        first = -(-low // hop)
        inside = level[first : max(first + 1, high // hop)]
        middle = (len(inside) - 1) / 2
        nearest = np.argsort(np.abs(np.arange(len(inside)) - middle), kind="stable")
        at = (first + int(nearest[inside[nearest].argmin()])) * hop
        if start < at < stop:
            yield start, at
            start = at
    yield start, stop


def windows(start: int, stop: int, rate: int) -> Iterator[Span]:
    """Pieces of 3.0 s that overlap by 0.3 s; the last one takes the whole rest (up to 3.3 s)."""
    size, step = round(WINDOW_S * rate), round((WINDOW_S - OVERLAP_S) * rate)
    while stop - start > round((WINDOW_S + OVERLAP_S) * rate):
        yield start, start + size
        start += step
    yield start, stop


def automatic(wave: np.ndarray, rate: int, gate_db: str = "auto") -> list[Span]:
    """Cut at silences, then long phrases into overlapping windows; `gate_db` as in `phrases`."""
    whole: list[Span] = []
    for start, stop in phrases(wave, rate, gate_db):
        if whole and stop - start < LAST_S * rate and whole[-1][1] == start:
            start = whole.pop()[0]
        whole.append((start, stop))
    return [span for phrase in whole for span in windows(*phrase, rate)]


def simple(size: int, rate: int, length_s: float, overlap_s: float) -> list[Span]:
    """Windows of fixed length; the last is moved back so that it ends with the recording."""
    length, step = int(length_s * rate), max(1, int((length_s - overlap_s) * rate))
    if size <= length:
        return [(0, size)]
    spans = [(start, start + length) for start in range(0, size - length + 1, step)]
    if spans[-1][1] < size:
        spans.append((size - length, size))
    return spans


def quietest(wave: np.ndarray, rate: int) -> int:
    """Distance of the quietest point from the end of `wave`, in samples."""
    hop = max(1, round(QUIET_HOP_S * rate))
    power = moving_power(np.nan_to_num(wave), 2 * hop, hop)[1:-1]
    return len(wave) - (int(power.argmin()) + 1) * hop if len(power) else 0
