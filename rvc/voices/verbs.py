"""Verbs of the voice library: list, download, export."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from rvc import Report, config, params, silent
from rvc.errors import BadInput
from rvc.voices import archive, importing, library, sharing, trash
from rvc.voices.information import voice_facts

LOG = logging.getLogger(__name__)
Result = dict[str, Any]


def listing(p: params.Voices, report: Report = silent) -> Result:
    """All voices in logs, or in the trash, as a table and as rows."""
    if p.trash:
        gone = [entry.as_dict() for entry in trash.entries()]
        told = [f"{r['name']:<32} {r['bytes'] / 1e6:7.1f} MB  {_day(r)}" for r in gone]
        return {"message": "\n".join(told) or "The trash is empty.", "voices": gone}
    rows = []
    for voice in library.voices():
        size = voice.pth.stat().st_size
        rows.append({**voice.as_dict(), "bytes": size, "about": voice.sentence()})
    lines = [f"{r['name']:<32} {r['bytes'] / 1e6:7.1f} MB  {r['about']}" for r in rows]
    return {"message": "\n".join(lines) or "There are no voices in logs yet.", "voices": rows}


def download(p: params.Download, report: Report = silent) -> Result:
    """Import from a link; nothing else is taken for one.

    Raises:
        BadInput: not a link. DownloadFailed: it leads to no voice, or may not be followed.
    """
    if not sharing.is_link(p.model_link):
        raise BadInput(f"{p.model_link!r} is no link.", "It begins with https://.")
    return importing.bring(params.ImportVoice(source=p.model_link, model_name=p.model_name), report)


def export(p: params.ExportVoice, report: Report = silent) -> Result:
    """Zip a voice, its index and a description.

    Raises:
        BadInput: there is no such voice.
    """
    folder = config.experiment(p.model_name)
    inside = [v for v in library.voices() if folder in v.pth.parents]
    chosen = next((v for v in inside if p.pth_path in (None, v.pth)), None)
    if chosen is None:
        raise BadInput(
            f"There is no voice in {folder}.", f"See them with `{config.command('voices')}`."
        )
    target = p.output_path or config.paths().logs / "zips" / f"{folder.name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    voice = importing.read_any(chosen.pth)
    files = {chosen.pth.name: chosen.pth}
    if chosen.index is not None:
        files[f"{chosen.pth.stem}.index"] = chosen.index
    report(0, 1, "Packing")
    archive.pack(files, {"voice.json": json.dumps(voice_facts(voice), indent=2)}, target)
    report(1, 1, "Packing")
    return {
        "message": f"Packed {', '.join(files)} into {target}.",
        "file": str(target),
        "bytes": target.stat().st_size,
    }


def _day(row: dict[str, Any]) -> str:
    return f"deleted {time.strftime('%Y-%m-%d', time.localtime(row['deleted_s']))}"
