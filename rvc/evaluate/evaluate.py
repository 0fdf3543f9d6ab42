"""How good a voice is, by independent judges: one table from recordings it never saw."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, files, silent
from rvc.audio import io
from rvc.audio.formats import is_sound_name
from rvc.audio.stream import resample
from rvc.errors import BadInput
from rvc.evaluate import conditions, judges, table
from rvc.infer import voice
from rvc.infer.convert import convert
from rvc.params import Evaluate


@dataclass(frozen=True)
class Panel:
    """The judges, by what is asked of them, and the target they compare with.

    Attributes:
        likeness: (T,) at 16 kHz -> embedding of the speaker, of unit length.
        words: (T,), language or None -> what is said, and in which language.
        pitch: (T,) -> Hz per 10 ms.
        target: mean embedding of the target's own recordings, of unit length.
    """

    likeness: Callable[[np.ndarray], np.ndarray]
    quality: Callable[[np.ndarray], float]
    words: Callable[[np.ndarray, str | None], tuple[str, str]]
    pitch: Callable[[np.ndarray], np.ndarray]
    target: np.ndarray

    def hear(
        self, text: str | None, said: np.ndarray, heard: np.ndarray, after: np.ndarray
    ) -> dict[str, table.Share]:
        """Judge one conversion by three waves (T,) at 16 kHz.

        Args:
            text: what is said, where that is known.
            said: the speech itself; heard: what reached the microphone; after: the conversion.
        """
        before, result = self.likeness(said), self.likeness(after)
        spoken, language = self.words(said, None)
        shown = self.words(after, language)[0]
        out = {
            "to target": table.once(float(result @ self.target)),
            "to source": table.once(float(result @ before)),
            "DNSMOS": table.once(self.quality(after)),
            "F0 corr": table.once(judges.pitch_correlation(self.pitch(said), self.pitch(after))),
            "disagreement": judges.characters_wrong(spoken, shown),
        }
        if text is not None:
            source = spoken if heard is said else self.words(heard, language)[0]
            wanted = judges.plain(text)
            for name, found in (("WER", shown), ("WER source", source)):
                out[name] = float(judges.edits(wanted, judges.plain(found))), float(len(wanted))
        return out


def run(p: Evaluate, report: Report = silent) -> dict[str, Any]:
    """Convert every recording under `input_folder` and judge it; rows by sub-folder and condition.

    Raises:
        BadInput: no recordings, or a condition nobody knows. MissingModel: no such judge here.
    """
    states = ["", *conditions.listed(p.conditions)]
    recorded = recordings(p.input_folder)
    loaded = voice.load(p.pth_path, p.index_path, p, report)
    words = judges.Words(p.asr_folder, p.asr_language)
    likeness, quality = judges.Likeness(), judges.Quality()
    target, own_quality = _target(p.target_folder, likeness, quality, report)
    panel = Panel(likeness, quality, words, loaded.extractor(p.f0_method), target)
    groups: dict[str, list[table.Measures]] = defaultdict(list)
    for number, file in enumerate(recorded):
        parts = file.relative_to(p.input_folder).parts
        name = parts[0] if len(parts) > 1 else "all"
        for place, state in enumerate(states):
            report(number * len(states) + place, len(recorded) * len(states), "Converting, judging")
            row = f"{name}, {state}" if state else name
            groups[row].append(_one(file, loaded, p, panel, state))
    rows = {name: table.row(clips) for name, clips in sorted(groups.items())}
    notes = [
        f"In brackets: {table.LEVEL:.0%} intervals over clips ({table.DRAWS} draws).",
        f"Words by {words.name}. The target's own recordings: DNSMOS {own_quality:.2f}.",
    ]
    text = table.markdown(rows, notes)
    if p.table is not None:
        p.table.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(p.table, text + "\n")
    return {
        "message": text,
        "rows": rows,
        "target_dnsmos": own_quality,
        "pth_path": str(p.pth_path),
    }


def _target(
    folder: Path, likeness: judges.Likeness, quality: judges.Quality, report: Report
) -> tuple[np.ndarray, float]:
    """Mean embedding (of unit length) and mean DNSMOS of the target's own recordings."""
    recorded, prints, heard = recordings(folder), [], []
    for number, file in enumerate(recorded):
        report(number, len(recorded), "Target")
        wave = io.load(file, judges.RATE_HZ)[0]
        prints.append(likeness(wave))
        heard.append(quality(wave))
    mean = np.mean(prints, axis=0)
    return mean / np.linalg.norm(mean), float(np.mean(heard))


def recordings(folder: Path) -> list[Path]:
    """Every recording below a folder, sorted.

    Raises:
        BadInput: there is none.
    """
    found = sorted(f for f in folder.rglob("*") if is_sound_name(f))
    if not found:
        raise BadInput(f"{folder} holds no recordings.", "Give a folder with sound files.")
    return found


def _one(
    file: Path, loaded: voice.Voice, p: Evaluate, panel: Panel, state: str
) -> dict[str, table.Share]:
    """What the judges say of one recording under one condition."""
    wave, rate = io.load(file)
    place = file.relative_to(p.input_folder)
    said, heard = conditions.applied(state, wave, rate, place.as_posix())
    began = time.perf_counter()
    after, after_rate = convert(loaded, heard, rate, p)
    took_s = time.perf_counter() - began
    if p.output_folder is not None:
        target = p.output_folder / state / place.with_suffix(".wav")
        target.parent.mkdir(parents=True, exist_ok=True)
        io.save(target, after, after_rate)
    low = resample(said, rate, judges.RATE_HZ)
    dulled = low if heard is said else resample(heard, rate, judges.RATE_HZ)
    text = file.with_suffix(".txt")
    told = text.read_text(encoding="utf-8") if text.is_file() else None
    found = panel.hear(told, low, dulled, resample(after, after_rate, judges.RATE_HZ))
    return found | {"RTF": (took_s, len(heard) / rate)}
