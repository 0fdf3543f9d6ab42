"""The dataset report as a picture. Uses matplotlib's objects, so no window and no global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rvc import files
from rvc.dataset.report.measure import Measured
from rvc.dataset.report.spectra import SPECTRUM_HZ


def draw(found: Sequence[Measured], title: str, verdict: str, path: Path) -> None:
    """Write six small graphs of the recordings that could be read as one PNG."""
    import textwrap

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    good = [one for one in found if not one.cause]
    figure = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(figure)
    shown = textwrap.fill(f"{title}: {verdict}".replace("$", r"\$"), 130)
    figure.suptitle(shown, fontsize=10)
    graphs = figure.subplots(2, 3).ravel()
    for graph, paint in zip(
        graphs, (_lengths, _pitch, _levels, _spectrum, _loudness, _noise), strict=True
    ):
        paint(graph, good)
        graph.grid(alpha=0.3)
    with files.replacing(path) as part:
        figure.savefig(part, dpi=100, format="png")


def _lengths(graph: Any, good: Sequence[Measured]) -> None:
    graph.hist([one.seconds for one in good], bins=30)
    graph.set(title="Length of the recordings", xlabel="s", ylabel="recordings")


def _pitch(graph: Any, good: Sequence[Measured]) -> None:
    hz = np.concatenate([one.f0_hz for one in good])
    edges = 2 ** np.arange(np.log2(50), np.log2(1100), 1 / 12)
    graph.hist(hz[hz > 0], bins=edges)
    graph.set(title="Pitch, by semitones", xlabel="Hz", ylabel="frames of 20 ms", xscale="log")
    graph.set_xticks([50, 100, 200, 400, 800], ["50", "100", "200", "400", "800"])


def _levels(graph: Any, good: Sequence[Measured]) -> None:
    graph.hist(np.concatenate([one.levels_db for one in good]), bins=np.arange(-100, 1, 2))
    graph.set(title="Level", xlabel="dBFS", ylabel="frames of 15 ms")


def _spectrum(graph: Any, good: Sequence[Measured]) -> None:
    total = np.zeros(max(len(one.spectrum) for one in good))
    for one in good:
        total[: len(one.spectrum)] += one.spectrum
    db = 10 * np.log10(total / max(total.max(), 1e-12) + 1e-12)
    graph.plot((np.arange(len(db)) + 0.5) * SPECTRUM_HZ / 1000, db)
    graph.set(title="Spectrum of the speech", xlabel="kHz", ylabel="dB", ylim=(-100, 5))


def _loudness(graph: Any, good: Sequence[Measured]) -> None:
    graph.hist([one.loudness_lufs for one in good if one.loudness_lufs > -70], bins=30)
    graph.set(title="Loudness of the recordings", xlabel="LUFS", ylabel="recordings")


def _noise(graph: Any, good: Sequence[Measured]) -> None:
    graph.scatter([one.floor_db for one in good], [one.speech_db for one in good], s=9)
    graph.set(title="Pauses and speech", xlabel="pauses, dBFS", ylabel="speech, dBFS")
