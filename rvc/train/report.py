"""The end of a training on one page: curves as a picture, scores, findings, sounds to click."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rvc import files
from rvc.train import metrics
from rvc.train.scores import FOLDER, Score, advise_to_stop, best

PICTURE, PAGE = "training.png", "training.html"
PANELS = (("mel", "Mel"), ("kl", "KL"), ("fm", "Feature matching"), ("adv", "Adversarial"),
          ("d", "Discriminator"), ("norm_g", "Gradient norm of the generator"))  # fmt: skip


def write(folder: Path, name: str, findings: Sequence[Mapping[str, Any]]) -> Path:
    """Write the picture and the page from `metrics.jsonl`; returns the page."""
    records = metrics.read(folder)
    scores = [
        Score(**{k: r[k] for k in Score.__dataclass_fields__ if k in r})
        for r in records
        if r.get("kind") == "validation"
    ]
    picture = draw([r for r in records if r.get("kind") == "epoch"], scores)
    files.write_bytes(folder / PICTURE, picture)
    files.write_text(folder / PAGE, page(folder, name, picture, scores, findings))
    return folder / PAGE


def draw(epochs: Sequence[Mapping[str, Any]], scores: Sequence[Score]) -> bytes:
    """Averages per epoch and the scores, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(3, 3).flat
    for axis, (key, title) in zip(axes, PANELS, strict=False):
        points = [(r["epoch"], r[key]) for r in epochs if key in r]
        axis.plot([x for x, _ in points], [y for _, y in points], marker="." * (len(points) < 40))
        axis.set_title(title)
    at = [score.epoch for score in scores]
    shown = (
        ("Score on held-out clips (lower is better)", [score.value for score in scores]),
        ("Held-out mel distance", [score.mel for score in scores]),
        ("Held-out pitch error (semitones)", [score.f0_semitones for score in scores]),
    )
    for axis, (title, values) in zip(list(figure.axes)[len(PANELS) :], shown, strict=True):
        axis.plot(at, values, marker=".")
        axis.set_title(title)
    for axis in figure.axes:
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def page(
    folder: Path,
    name: str,
    picture: bytes,
    scores: Sequence[Score],
    findings: Sequence[Mapping[str, Any]],
) -> str:
    """The page as HTML without anything from elsewhere."""
    first = best(scores)
    parts = [f"<h1>Training of {html.escape(name)}</h1>"]
    if first is not None:
        parts.append(
            f"<p>The best save is epoch {first.epoch} (step {first.step}) with a score of "
            f"{first.value:.3f}; it is kept as best.pth.</p>"
        )
    if advise_to_stop(scores):
        parts.append("<p><b>More training is unlikely to help.</b></p>")
    data = base64.b64encode(picture).decode()
    parts.append(f'<img alt="Curves" src="data:image/png;base64,{data}">')
    parts.append(_table(folder, scores))
    items = "".join(
        f"<li>{html.escape(str(f['sentence']))} {html.escape(str(f['hint']))} "
        f"({f['count']} times)</li>"
        for f in findings
    )
    parts.append(f"<h2>Findings</h2><ul>{items or '<li>None.</li>'}</ul>")
    style = "body{font:16px sans-serif;margin:2em auto;max-width:80em}img{max-width:100%}" \
        "td,th{padding:.2em 1em;text-align:right}"  # fmt: skip
    title = html.escape(name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style>{''.join(parts)}</html>\n"
    )


def _table(folder: Path, scores: Sequence[Score]) -> str:
    if not scores:
        return "<p>No clips were held out, so there are no scores.</p>"
    rows = []
    for score in scores:
        home = folder / "eval" / FOLDER / f"{score.epoch}e"
        sounds = " ".join(
            f'<a href="{html.escape(file.relative_to(folder).as_posix())}">'
            f"{html.escape(file.stem)}</a>"
            for file in sorted(home.glob("*.wav"))
        )
        rows.append(
            f"<tr><td>{score.epoch}</td><td>{score.step}</td><td>{score.value:.3f}</td>"
            f"<td>{score.mel:.3f}</td><td>{score.f0_semitones:.2f}</td>"
            f"<td>{_number(score.similarity)}</td><td>{_number(score.dnsmos)}</td>"
            f"<td>{sounds}</td></tr>"
        )
        rows += [
            f"<tr><td></td><td>{html.escape(name)}</td><td></td><td>{own['mel']:.3f}</td>"
            f"<td>{_number(own.get('f0_semitones'))}</td><td>{_number(own.get('similarity'))}</td>"
            f"<td>{_number(own.get('dnsmos'))}</td><td></td></tr>"
            for name, own in (score.speakers or {}).items()
        ]
    head = (
        "<tr><th>Epoch<th>Step<th>Score<th>Mel<th>Pitch (semitones)<th>Similarity<th>DNSMOS"
        "<th>Listen</tr>"
    )
    return f"<h2>Held-out clips</h2><table>{head}{''.join(rows)}</table>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
