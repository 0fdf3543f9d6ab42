"""Cuts recordings at silences into pieces for training, and loses nothing but dead air.

Two levels are at work. Below `QUIET_DB` a pause is good for a cut; but a breath may lie there, so
what is thrown away must be below the lower `dead` level, which follows the recording's own noise
floor and never exceeds `DEAD_DB`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rvc.audio.dsp import db, moving_power, peak

HOP_S = 0.015
QUIET_HOP_S = 0.02  # where the quietest point is looked for
WINDOW_HOPS = 4
QUIET_DB = -42.0  # a pause quieter than this may be cut
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


def dead_level_db(levels: np.ndarray) -> float:
    """The level below which this recording holds nothing: a little above its noise floor."""
    floor = float(np.percentile(levels, 5)) if len(levels) else FAINTEST_DB
    return float(np.clip(floor + ABOVE_FLOOR_DB, FAINTEST_DB, DEAD_DB))


def runs(mask: np.ndarray) -> list[Span]:
    """[start, stop) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def phrases(wave: np.ndarray, rate: int) -> list[Span]:
    """Spans of samples between silences, in order, without overlap; none for a silent wave.

    Dead air longer than twice 0.5 s loses its middle; the ends keep up to 0.5 s. Pauses of 0.4 s
    and more are cut at their quietest point once a piece has 1.5 s.
    """
    levels, hop = level_db(wave, rate)
    keep = round(KEEP_S * rate)
    if len(wave) <= 2 * keep and db(peak(wave)) > DEAD_DB:
        return [(0, len(wave))]  # too short for its mean level to say anything
    spans: list[Span] = []
    for start, stop in _alive(levels <= dead_level_db(levels), hop, keep, len(wave)):
        quiet = [
            (max(a * hop, start), min(b * hop, stop))
            for a, b in runs(levels <= QUIET_DB)
            if b * hop > start and a * hop < stop
        ]
        spans += _cut(quiet, levels, hop, start, stop, rate)
    return spans


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
    quiet: list[Span], levels: np.ndarray, hop: int, start: int, stop: int, rate: int
) -> Iterator[Span]:
    """Split start:stop inside its pauses, at the quietest point of each."""
    for low, high in quiet:
        if high - low < PAUSE_S * rate or high >= stop or low - start < SHORTEST_S * rate:
            continue
        first = -(-low // hop)
        inside = levels[first : max(first + 1, high // hop)]
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


def automatic(wave: np.ndarray, rate: int) -> list[Span]:
    """Cut at silences, then long phrases into overlapping windows."""
    whole: list[Span] = []
    for start, stop in phrases(wave, rate):
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
