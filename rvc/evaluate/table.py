"""What judges said of clips becomes rows: means, their intervals of confidence, Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MEASURES = (
    "to target",
    "to source",
    "WER",
    "WER source",
    "disagreement",
    "F0 corr",
    "DNSMOS",
    "RTF",
)
COLUMNS = ("source", "clips", *MEASURES)
DRAWS, SEED, LEVEL = 1000, 0, 0.95
FEWEST = 3  # clips whose interval says anything
Share = tuple[float, float]  # what was counted, of how much; (words wrong, words), (value, 1)
Measures = Mapping[str, Share]  # of one clip; what is missing could not be measured


def once(value: float) -> Share:
    """A measure that counts once for every clip; not at all where it is not a number."""
    return (value, 1.0) if np.isfinite(value) else (0.0, 0.0)


def row(clips: Sequence[Measures]) -> dict[str, Any]:
    """Means by column, None where nothing could be measured, and `intervals`: [low, high].

    The intervals (95 %) are of means over clips drawn again with replacement: how much another
    choice of clips like these would have changed the mean. Fewer than three clips have none.
    """
    counted = np.array([[clip.get(name, (0.0, 0.0)) for name in MEASURES] for clip in clips])
    means = _ratios(counted.sum(0))
    values = {name: _known(value) for name, value in zip(MEASURES, means, strict=True)}
    intervals: dict[str, list[float]] = {}
    if len(clips) >= FEWEST:
        picks = np.random.default_rng(SEED).integers(len(clips), size=(DRAWS, len(clips)))
        drawn = _ratios(counted[picks].sum(1))
        tail = 50 * (1 - LEVEL)
        for name, column in zip(MEASURES, drawn.T, strict=True):
            if np.isfinite(column).any():
                intervals[name] = [float(np.nanpercentile(column, q)) for q in (tail, 100 - tail)]
    return {"clips": len(clips), **values, "intervals": intervals}


def _ratios(sums: np.ndarray) -> np.ndarray:
    """(..., 2) sums and weights -> (...,) ratios, nan where there is no weight."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def markdown(rows: Mapping[str, Mapping[str, Any]], notes: Sequence[str]) -> str:
    """The table, its intervals in brackets, with a paragraph of notes below."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for name, found in rows.items():
        cells = [_cell(found[column], found["intervals"].get(column)) for column in MEASURES]
        lines.append("| " + " | ".join([name, str(found["clips"]), *cells]) + " |")
    return "\n".join([*lines, "", *notes])


def _cell(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    within = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{value:.3f}{within}"
