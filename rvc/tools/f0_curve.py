"""The verb `f0-curve`: the pitch of a recording as a picture and as a table that can be edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, config, device, f0, files, params, silent
from rvc.audio import io
from rvc.f0 import contour, curve_file

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
POINTS = 6000  # drawn at most; more than a picture has columns


def run(p: params.F0Curve, report: Report = silent) -> dict[str, Any]:
    """Measure, draw and save. The table can be given back to `infer --f0-file`.

    Raises:
        BadInput: not a readable recording. MissingModel: the method's weights are absent.
    """
    report(0, 3, "Loading")
    wave, _ = io.load(p.input_path, 16000, track=p.track)
    extractor = f0.load(p.f0_method, device.choose(p.gpu).name)
    report(1, 3, "Measuring the pitch")
    f0_hz = extractor(wave)
    table = p.csv_path or config.paths().logs / "f0_curve.csv"
    picture = p.plot_path or config.paths().logs / "f0_plot.png"
    curve_file.write(table, f0_hz)
    facts = describe(f0_hz)
    said = f"{p.input_path.name}: {sentence(facts)}"
    if not p.draw:
        return {"message": f"{said} Table: {table}", "csv": str(table), **facts}
    report(2, 3, "Drawing")
    draw(f0_hz, picture, f"{p.input_path.name}, {p.f0_method}")
    report(3, 3, "Drawing")
    return {
        "message": f"{said} Picture: {picture}, table: {table}",
        "plot": str(picture),
        "csv": str(table),
        **facts,
    }


def describe(f0_hz: np.ndarray) -> dict[str, Any]:
    """Length, voiced share, and low, middle and high pitch (5, 50, 95 % of the voiced frames)."""
    voiced = f0_hz[f0_hz > 0]
    low, middle, high = np.percentile(voiced, (5, 50, 95)) if len(voiced) else (0.0, 0.0, 0.0)
    return {
        "seconds": (len(f0_hz) - 1) / 100,
        "voiced": round(len(voiced) / len(f0_hz), 4),
        "low_hz": round(float(low), 2),
        "median_hz": round(float(middle), 2),
        "high_hz": round(float(high), 2),
    }


def sentence(facts: dict[str, Any]) -> str:
    """The same in words."""
    if not facts["voiced"]:
        return f"{facts['seconds']:.1f} s without any pitch."
    low, middle, high = (
        f"{facts[key]:.0f} Hz ({note(facts[key])})" for key in ("low_hz", "median_hz", "high_hz")
    )
    return (
        f"{facts['seconds']:.1f} s, {facts['voiced']:.0%} voiced, median {middle}, "
        f"mostly from {low} to {high}."
    )


def note(hz: float) -> str:
    """Name of the nearest note, such as A4 for 440 Hz."""
    number = round(69 + 12 * np.log2(hz / 440.0))
    return f"{NAMES[number % 12]}{number // 12 - 1}"


def draw(f0_hz: np.ndarray, file: Path, title: str) -> None:
    """Save a picture of the curve on a logarithmic axis; gaps where it is unvoiced."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    step = max(1, len(f0_hz) // POINTS)
    shown = np.where(f0_hz > 0, f0_hz, np.nan)[::step]
    figure = Figure(figsize=(12, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(np.arange(len(shown)) * step / 100, shown, linewidth=1.2, color="#3b6fd4")
    axes.set(title=title, xlabel="Time in s", ylabel="Pitch in Hz", yscale="log")
    if np.isfinite(shown).any():
        low, high = np.nanmin(shown) / 1.1, np.nanmax(shown) * 1.1
        axes.set_ylim(low, high)
        axes.set_yticks([hz for hz in contour.NOTES_HZ[2::3] if low < hz < high] or [low, high])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter("")
    axes.grid(alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(file) as part:
        figure.savefig(part, format=file.suffix.lstrip(".") or "png", dpi=100)
