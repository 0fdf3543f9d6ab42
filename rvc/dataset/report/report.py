"""Looks at a dataset before hours of training: what is in it, what is wrong, is it enough."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, config, files, params, workers
from rvc.dataset.report import duplicates, plot, verdict
from rvc.dataset.report.measure import Measured, Unheard, measure
from rvc.dataset.scan import scan
from rvc.errors import VoiceError

NOTE = "Listening"
CRASHED = "it crashed the decoder."


def run(p: params.DatasetReport, report: Report) -> dict[str, Any]:
    """Measure every recording of a dataset and judge the whole.

    Writes `report.json` and `report.png`.

    Raises:
        BadInput: no such folder, or no recordings in it. Cancelled: from `report`.
    """
    began = time.monotonic()
    dataset = scan(p.folder, one=p.speakers == "one")
    unheard = [
        Unheard(one.path, one.key, _seconds(one.path, p.track), p.track)
        for one in dataset.recordings
    ]
    known = workers.spread(unheard, measure, _crashed, p.cpu_cores, report, NOTE)
    by_key = {one.key: one for one in known}
    found = [by_key[one.key] for one in unheard]
    speakers = {one.key: one.speaker for one in dataset.recordings}
    result = judged(found, speakers)
    if left_out := dataset.left_out():
        result["message"] += f" {left_out}"
    result["left_out"] = {
        "recordings": {one.key: one.cause for one in found if one.cause},
        "other_files": dataset.endings,
        "system_folders": dataset.system_folders,
        "unreadable": dataset.unreadable,
    }
    folder = p.output_folder or config.paths().logs / "reports" / _plain(p.folder)
    folder.mkdir(parents=True, exist_ok=True)
    result["plot"] = _drawn(found, p.folder.resolve().name, result, folder / "report.png")
    result["report"] = str(folder / "report.json")
    result["seconds"] = round(time.monotonic() - began, 2)
    files.write_json(folder / "report.json", result, indent=1)
    return result


def judged(found: Sequence[Measured], speakers: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The report of these recordings, JSON-ready; `message` is the verdict.

    Args:
        speakers: whose each recording is; strange voices are looked for within one's own.
    """
    good = [one for one in found if not one.cause]
    owners = {one.key: (speakers or {}).get(one.key, 0) for one in found}
    total = verdict.totals(found)
    copies = duplicates.copies(good)
    own = [[one for one in good if owners[one.key] == n] for n in sorted(set(owners.values()))]
    groups = [strange for mine in own if (strange := duplicates.groups(mine)) is not None]
    said = verdict.findings(found, total, copies, groups)
    odd = {key for strange in groups for key in (*strange.keys, *strange.partly)}
    return {
        "message": f"{verdict.sentence(total, said)} {verdict.counted(found)}",
        "grade": {"bad": "poor", "warning": "usable", "note": "good"}[
            said[0].severity if said else "note"
        ],
        "totals": total,
        "speakers_s": {
            str(n): round(sum(one.seconds for one in good if owners[one.key] == n), 2)
            for n in sorted(set(owners.values()))
        },
        "findings": [asdict(one) for one in said],
        "copies": [list(pair) for pair in copies],
        "different": sorted(odd),
        "f0_histogram": _histogram(good),
        "recordings": [_row(one, one.key in odd) for one in found],
    }


def _row(one: Measured, odd: bool) -> dict[str, Any]:
    """What the report says of one recording."""
    voiced = one.f0_hz[one.f0_hz > 0]
    flags = [
        name
        for name, is_so in (
            ("clipped", one.clipped > verdict.CLIPPED_SHARE),
            ("music", verdict.is_musical(one)),
            ("different", odd),
            ("short", one.seconds < 0.5),
            ("damaged", bool(one.losses)),
        )
        if is_so and not one.cause
    ]
    return {
        "file": one.key,
        "cause": one.cause,
        "flags": flags,
        "seconds": round(one.seconds, 3),
        "sound_s": round(one.sound_s, 3),
        "rate_hz": one.rate,
        "channels": one.channels,
        "codec": one.codec,
        "peak": round(one.peak, 4),
        "clipped_share": round(one.clipped, 6),
        "loudness_lufs": round(one.loudness_lufs, 1) if np.isfinite(one.loudness_lufs) else None,
        "speech_dbfs": round(one.speech_db, 1),
        "pauses_dbfs": round(one.floor_db, 1),
        "bandwidth_hz": one.bandwidth_hz,
        "f0_median_hz": round(float(np.median(voiced)), 1) if len(voiced) else None,
        "steady_share": round(one.steady, 3),
        "losses": one.losses,
        "notes": one.notes,
    }


def _histogram(good: Sequence[Measured]) -> dict[str, list[float]]:
    """Frames of 20 ms per semitone from 50 Hz on."""
    hz = np.concatenate([one.f0_hz for one in good]) if good else np.zeros(0)
    edges = 50 * 2 ** (np.arange(54) / 12)
    counts, _ = np.histogram(hz[hz > 0], edges)
    return {"from_hz": [round(float(e), 1) for e in edges[:-1]], "frames": counts.tolist()}


def _drawn(found: Sequence[Measured], title: str, result: dict[str, Any], path: Path) -> str:
    """Path of the plot; "" where there is nothing to draw."""
    if not any(not one.cause for one in found):
        return ""
    plot.draw(found, title, result["message"], path)
    return str(path)


def _seconds(path: Path, track: int | None) -> float:
    from rvc.audio import io

    try:
        return io.info(path, track).seconds
    except (VoiceError, OSError):
        return 0.0


def _crashed(one: Unheard) -> Measured:
    return Measured(one.key, cause=CRASHED)


def _plain(folder: Path) -> str:
    """A name for the report's own folder, made of the dataset's."""
    return re.sub(r"[^\w -]", "_", folder.resolve().name).strip() or "dataset"
