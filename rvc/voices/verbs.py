"""Verbs of the voice library: list, import, download, export, delete."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from rvc import config, params
from rvc.errors import BadInput, VoiceError
from rvc.hub.digest import sha256
from rvc.nets.checkpoint import VoiceFile, read_voice, write_voice
from rvc.onnx import voice as onnx
from rvc.progress import Report, silent
from rvc.voices import archive, library, pairing, sharing
from rvc.voices.archive import Found
from rvc.voices.information import voice_facts
from rvc.voices.library import Voice
from rvc.voices.twins import Present

LOG = logging.getLogger(__name__)
Result = dict[str, Any]


def listing(p: params.Voices, report: Report = silent) -> Result:
    """All voices in logs, as a table and as rows."""
    rows = []
    for voice in library.voices():
        size = voice.pth.stat().st_size
        rows.append({**voice.as_dict(), "bytes": size, "about": voice.sentence()})
    lines = [f"{r['name']:<32} {r['bytes'] / 1e6:7.1f} MB  {r['about']}" for r in rows]
    return {"message": "\n".join(lines) or "There are no voices in logs yet.", "voices": rows}


def bring(p: params.ImportVoice, report: Report = silent) -> Result:
    """Import from a file, zip, folder, installation or link.

    Raises:
        BadInput: nothing there, or every voice was refused (the first cause is told).
        Mismatch: the only voice has an unknown architecture.
    """
    paths = config.paths()
    paths.logs.mkdir(parents=True, exist_ok=True)
    present = Present()
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=paths.logs) as room:
        found = _found(p.source, Path(room), report)
        files = [f for f in found if f.path.suffix.lower() in library.KINDS]
        if len(files) > 1:
            files = [f for f in files if not f.name.startswith(("G_", "D_"))]
        indexes = [f for f in found if f.path.suffix.lower() == ".index"]
        if not files:
            raise BadInput(f"There is no voice in {p.source}.", "It needs a small .pth file.")
        if p.index_path is not None:
            if not p.index_path.is_file():
                raise BadInput(f"The index {p.index_path} does not exist.", "Check --index-path.")
            indexes = [Found(p.index_path.name, p.index_path)]
        done, known, failed = [], [], []
        for number, file in enumerate(files):
            report(number, len(files), "Importing")
            try:
                twin = present.find(file.path)
                if twin is not None and p.model_name in (None, twin.pth.parent.name):
                    known.append(_again(twin, file, files, indexes, p))
                    continue
                done.append(_one(file, files, indexes, p))
                present.add(Path(done[-1]["pth_path"]))
            except VoiceError as error:
                if len(files) == 1:
                    raise
                LOG.warning("%s: %s", file.name, error.message)
                failed.append({"file": file.name, "cause": error.message})
        report(len(files), len(files), "Importing")
    if not done and not known:
        raise BadInput(f"No voice in {p.source} can be used: {failed[0]['cause']}")
    lines = [_sentence(d) for d in done] + [k["message"] for k in known]
    lines += [f"Not imported: {f['file']}. {f['cause']}" for f in failed]
    return {
        "message": "\n".join(lines),
        "imported": done,
        "already_here": known,
        "failed": failed,
    }


def download(p: params.Download, report: Report = silent) -> Result:
    """Import from a link; nothing else is taken for one.

    Raises:
        BadInput: not a link. DownloadFailed: it leads to no voice, or may not be followed.
    """
    if not sharing.is_link(p.model_link):
        raise BadInput(f"{p.model_link!r} is no link.", "It begins with https://.")
    return bring(params.ImportVoice(source=p.model_link, model_name=p.model_name), report)


def _found(source: str, room: Path, report: Report) -> list[Found]:
    if sharing.is_link(source):
        return sharing.get(source, room / "link", report)
    path = Path(source).expanduser()
    if path.suffix.lower() == ".zip" and path.is_file():
        return archive.unpack(path, room / "zip")
    if path.is_file():
        beside = sorted(path.parent.glob("*.index"))
        return [Found(path.name, path), *(Found(i.name, i) for i in beside)]
    if not path.is_dir():
        raise BadInput(f"{source} does not exist.", "Give a file, folder or link.")
    return [Found(f.name, f) for f in sorted(_installed(path)) if f.stat().st_size]


def _installed(folder: Path) -> list[Path]:
    """Voices and indexes of a folder; of an RVC or Applio installation where it is one."""
    roots = [folder / n for n in ("logs", "assets/weights", "weights", "assets/indices")]
    roots = [r for r in roots if r.is_dir()] or [folder]
    kinds = (*library.KINDS, ".index")
    files = [f for r in roots for f in r.rglob("*") if f.suffix.lower() in kinds and f.is_file()]
    return [f for f in dict.fromkeys(files) if not f.name.startswith("trained_")]


def _one(file: Found, files: list[Found], indexes: list[Found], p: params.ImportVoice) -> Result:
    """Check a voice, then write it and its index under a free name in logs."""
    as_onnx = file.path.suffix.lower() == ".onnx"
    voice = _read(file.path)
    if as_onnx:
        onnx.OnnxNet(file.path)  # proves that it can be run
    name = p.model_name if p.model_name and len(files) == 1 else _name(file, voice)
    origin = {"file": file.name, "sha256": sha256(file.path)}
    if sharing.is_link(p.source):  # a folder is nobody's business, nor is what follows a ?
        origin["source"] = p.source.split("?")[0][:300]
    chosen, others = pairing.pair(file, files, voice, indexes, p.index_path is not None)
    folder = _free(name)
    folder.mkdir(parents=True)
    try:
        target = folder / f"{folder.name}{file.path.suffix.lower()}"
        if as_onnx:
            shutil.copyfile(file.path, target)
        else:
            told = {"imported_from": origin, library.ORIGIN: origin["sha256"]}
            write_voice(target, replace(voice, meta=voice.meta | told))
        table = None if chosen is None else pairing.store(chosen.path, folder, voice)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return {
        "name": folder.name,
        "pth_path": str(target),
        "index_path": table,
        "possible_indexes": others,
        **voice_facts(voice),
    }


def _read(path: Path) -> VoiceFile:
    return onnx.read_voice(path) if path.suffix.lower() == ".onnx" else read_voice(path)


def _again(
    twin: Voice, file: Found, files: list[Found], indexes: list[Found], p: params.ImportVoice
) -> Result:
    """A voice that is here already; it gets the index that it lacks, or that is asked for."""
    name, folder, index = twin.pth.parent.name, twin.pth.parent, twin.index
    about = "nothing was imported"
    asked = p.index_path is not None
    if indexes and (asked or index is None) and folder != config.paths().logs:
        voice = _read(twin.pth)
        chosen, _ = pairing.pair(file, files, voice, indexes, asked)
        if chosen is not None:
            index = Path(pairing.store(chosen.path, folder, voice))
            about = f"it got the index {chosen.name}"
    return {
        "name": name,
        "pth_path": str(twin.pth),
        "index_path": None if index is None else str(index),
        "message": f"{file.name} is here already, as {twin.pth}; {about}.",
    }


def _name(file: Found, voice: VoiceFile) -> str:
    stem = library.EPOCH.sub("", Path(file.name).stem)
    kept = "".join(c if c.isalnum() or c in " ._-" else "_" for c in stem)
    return kept.strip(" ._-")[:48] or str(voice.meta.get("model_name") or "voice")[:48]


def _free(name: str) -> Path:
    """`logs/<name>`, or with a number where that is taken."""
    folder = config.experiment(name)
    number = 2
    while folder.exists():
        folder, number = config.experiment(f"{name} {number}"), number + 1
    return folder


def _sentence(done: Result) -> str:
    if done["index_path"]:
        about = "with its index"
    elif done["possible_indexes"]:
        about = f"without index (could be {', '.join(done['possible_indexes'][:4])}: --index-path)"
    else:
        about = "without index"
    return f"Imported {done['name']}: {done['sample_rate']} Hz, {done['vocoder']}, {about}."


def export(p: params.ExportVoice, report: Report = silent) -> Result:
    """Zip a voice, its index and a description.

    Raises:
        BadInput: there is no such voice.
    """
    folder = config.experiment(p.model_name)
    inside = [v for v in library.voices() if folder in v.pth.parents]
    chosen = next((v for v in inside if p.pth_path in (None, v.pth)), None)
    if chosen is None:
        raise BadInput(f"There is no voice in {folder}.", "See them with `core.py voices`.")
    target = p.output_path or config.paths().logs / "zips" / f"{folder.name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    voice = _read(chosen.pth)
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


def delete(p: params.DeleteVoice, report: Report = silent) -> Result:
    """Delete logs/<name>.

    Raises:
        BadInput: no such voice, or the name was not confirmed.
    """
    folder = config.experiment(p.model_name)
    if p.confirm.strip() != folder.name:
        raise BadInput(f"Deleting {folder.name} was not confirmed.", "Give the same name twice.")
    if not folder.is_dir() or folder.is_symlink():
        raise BadInput(f"There is no voice {folder.name}.", "See them with `core.py voices`.")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    shutil.rmtree(folder)
    return {"message": f"Deleted {folder} ({size / 1e6:.1f} MB).", "bytes": size}
