"""How good a voice is, by independent judges: one table from recordings it never saw."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rvc.audio import io
from rvc.audio.formats import is_sound_name
from rvc.audio.resample import resample
from rvc.errors import BadInput
from rvc.evaluate import judges
from rvc.infer import voice
from rvc.infer.convert import convert
from rvc.params import Evaluate
from rvc.progress import Report, silent

COLUMNS = (
    "source",
    "clips",
    "to target",
    "to source",
    "WER",
    "WER source",
    "F0 corr",
    "DNSMOS",
    "RTF",
)


@dataclass
class Scores:
    """What was measured of one source speaker's recordings."""

    to_target: list[float] = field(default_factory=list)
    to_source: list[float] = field(default_factory=list)
    words: int = 0
    wrong: int = 0
    wrong_before: int = 0
    pitch: list[float] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    seconds: float = 0.0
    took_s: float = 0.0

    def row(self) -> dict[str, float | int | None]:
        """Means by column; None where nothing could be measured."""
        return {
            "clips": len(self.to_target),
            "to target": _mean(self.to_target),
            "to source": _mean(self.to_source),
            "WER": self.wrong / self.words if self.words else None,
            "WER source": self.wrong_before / self.words if self.words else None,
            "F0 corr": _mean(self.pitch),
            "DNSMOS": _mean(self.quality),
            "RTF": self.took_s / self.seconds if self.seconds else None,
        }


class Panel:
    """The judges and the target they compare with.

    Raises:
        MissingModel: a judge is not installed.
    """

    def __init__(self, p: Evaluate, report: Report) -> None:
        self.likeness, self.quality = judges.Likeness(), judges.Quality()
        self.words = judges.Words(p.asr_folder)
        self.pitch: Any = None
        heard = []
        files = recordings(p.target_folder)
        for number, file in enumerate(files):
            report(number, len(files), "Target")
            wave = io.load(file, judges.RATE_HZ)[0]
            heard.append((self.likeness(wave), self.quality(wave)))
        mean = np.mean([print_ for print_, _ in heard], axis=0)
        self.target = mean / np.linalg.norm(mean)
        self.target_quality = float(np.mean([quality for _, quality in heard]))

    def hear(self, file: Path, before: np.ndarray, after: np.ndarray, s: Scores) -> None:
        """Judge one conversion; both waves at 16 kHz."""
        prints = [self.likeness(w) for w in (before, after)]
        s.to_target.append(float(prints[1] @ self.target))
        s.to_source.append(float(prints[1] @ prints[0]))
        s.quality.append(self.quality(after))
        s.pitch.append(judges.pitch_correlation(self.pitch(before), self.pitch(after)))
        text = file.with_suffix(".txt")
        if text.is_file():
            said = judges.plain(text.read_text(encoding="utf-8"))
            s.words += len(said)
            s.wrong += judges.edits(said, self.words(after))
            s.wrong_before += judges.edits(said, self.words(before))


def run(p: Evaluate, report: Report = silent) -> dict[str, Any]:
    """Convert every recording under `input_folder` and judge it; rows by sub-folder.

    Raises:
        BadInput: no recordings. MissingModel: a judge is not installed.
    """
    files = recordings(p.input_folder)
    panel = Panel(p, report)
    loaded = voice.load(p.pth_path, p.index_path, p, report)
    panel.pitch = loaded.extractor(p.f0_method)
    groups: dict[str, Scores] = {}
    for number, file in enumerate(files):
        report(number, len(files), "Converting and judging")
        parts = file.relative_to(p.input_folder).parts
        scores = groups.setdefault(parts[0] if len(parts) > 1 else "all", Scores())
        _one(file, loaded, p, panel, scores)
    rows = {name: scores.row() for name, scores in sorted(groups.items())}
    table = format_table(rows, panel.target_quality)
    return {
        "message": table,
        "rows": rows,
        "target_dnsmos": panel.target_quality,
        "pth_path": str(p.pth_path),
    }


def recordings(folder: Path) -> list[Path]:
    """Every recording below a folder, sorted.

    Raises:
        BadInput: there is none.
    """
    found = sorted(f for f in folder.rglob("*") if is_sound_name(f))
    if not found:
        raise BadInput(f"{folder} holds no recordings.", "Give a folder with sound files.")
    return found


def _one(file: Path, loaded: voice.Voice, p: Evaluate, panel: Panel, scores: Scores) -> None:
    wave, rate = io.load(file)
    began = time.perf_counter()
    after, after_rate = convert(loaded, wave, rate, p)
    scores.took_s += time.perf_counter() - began
    scores.seconds += len(wave) / rate
    if p.output_folder is not None:
        target = p.output_folder / file.relative_to(p.input_folder).with_suffix(".wav")
        target.parent.mkdir(parents=True, exist_ok=True)
        io.save(target, after, after_rate)
    low = [resample(w, r, judges.RATE_HZ) for w, r in ((wave, rate), (after, after_rate))]
    panel.hear(file, low[0], low[1], scores)


def _mean(values: list[float]) -> float | None:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else None


def format_table(rows: dict[str, dict[str, Any]], target_quality: float) -> str:
    """The table as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for name, row in rows.items():
        cells = [row[c] for c in COLUMNS[1:]]
        said = ["-" if c is None else f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells]
        lines.append("| " + " | ".join([name, *said]) + " |")
    lines.append(f"The target's own recordings: DNSMOS {target_quality:.2f}.")
    return "\n".join(lines)
