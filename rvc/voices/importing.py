"""The verb import-voice: voices from files, archives, folders, installations and links."""

from __future__ import annotations

import itertools
import logging
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rvc import Report, config, params, silent
from rvc.dataset import lock
from rvc.errors import BadInput, Busy, Mismatch, VoiceError
from rvc.hub import foreign, sha256
from rvc.nets.voice_file import VoiceFile, read_voice, write_voice
from rvc.onnx import voice as onnx
from rvc.retrieval import faissfile, index, reader
from rvc.voices import archive, heads, library, sharing
from rvc.voices.archive import Found
from rvc.voices.duplicates import Present
from rvc.voices.information import voice_facts
from rvc.voices.library import ListedVoice

LOG = logging.getLogger(__name__)
Result = dict[str, Any]


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
        found = _found(p.source, Path(room), report, p.model_name)
        files = _voices(found, p.model_name)
        indexes = _indexes(found)
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
    told = {"message": "\n".join(lines)}
    return told | {"imported": done, "already_here": known, "failed": failed}


def _voices(found: list[Found], wanted: str | None) -> list[Found]:
    """The voices among what came, without checkpoints of trainings; of many, the one that is
    called like the name that was asked for."""
    files = [f for f in found if f.path.suffix.lower() in library.KINDS]
    if len(files) > 1:
        files = [f for f in files if not f.name.startswith(("G_", "D_"))]
    named = [f for f in files if wanted and bare_name(f) == wanted.lower()]
    return named if len(named) == 1 else files


def _indexes(found: list[Found]) -> list[Found]:
    """The indexes that hold a voice's features: of a pair, trained_… is only the empty frame."""
    every = [f for f in found if f.path.suffix.lower() == ".index"]
    return [f for f in every if not f.name.lower().startswith("trained_")] or every


def _found(source: str, room: Path, report: Report, wanted: str | None) -> list[Found]:
    if sharing.is_link(source):
        return sharing.get(source, room / "link", report, wanted)
    path = Path(source).expanduser()
    if path.is_file():
        foreign.refuse(path)
        packed = zipfile.is_zipfile(path) and not sharing.is_torch(path)
        if packed or path.suffix.lower() == ".zip":
            return archive.unpack(path, room / "zip")
        beside = sorted(path.parent.glob("*.index"))
        return [Found(path.name, path), *(Found(i.name, i) for i in beside)]
    if not path.is_dir():
        raise BadInput(f"{source} does not exist.", "Give a file, folder or link.")
    return [Found(f.name, f) for f in sorted(_installed(path)) if f.stat().st_size]


def _installed(folder: Path) -> list[Path]:
    """Voices and indexes of a folder; of an RVC or Applio installation where it is one."""
    roots = [folder / n for n in ("logs", "assets/weights", "weights", "assets/indices")]
    roots = [r for r in roots if r.is_dir()] or [folder]
    endings = (*library.KINDS, ".index")
    files = [f for r in roots for f in r.rglob("*") if f.suffix.lower() in endings and f.is_file()]
    return list(dict.fromkeys(files))


def _one(file: Found, files: list[Found], indexes: list[Found], p: params.ImportVoice) -> Result:
    """Check a voice, then write it and its index under a free name in logs."""
    as_onnx = file.path.suffix.lower() == ".onnx"
    voice = read_any(file.path)
    if as_onnx:
        onnx.OnnxNet(file.path)  # proves that it can be run
    name = p.model_name if p.model_name and len(files) == 1 else _name(file, voice)
    origin = {"file": file.name, "sha256": sha256(file.path)}
    if sharing.is_link(p.source):  # a folder is nobody's business, nor is what follows a ?
        origin["source"] = p.source.split("?")[0][:300]
    chosen, others = pair(file, files, voice, indexes, p.index_path is not None)
    folder, held = _new_folder(name)
    target = folder / f"{folder.name}{file.path.suffix.lower()}"
    with held:
        try:
            if as_onnx:
                shutil.copyfile(file.path, target)
            else:
                told = {"imported_from": origin, heads.ORIGIN: origin["sha256"]}
                write_voice(target, replace(voice, meta=voice.meta | told))
            table = None if chosen is None else store(chosen.path, folder, voice)
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


def read_any(path: Path) -> VoiceFile:
    return onnx.read_voice(path) if path.suffix.lower() == ".onnx" else read_voice(path)


def _again(
    twin: ListedVoice, file: Found, files: list[Found], indexes: list[Found], p: params.ImportVoice
) -> Result:
    """A voice that is here already; it gets the index that it lacks, or that is asked for."""
    name, folder, index = twin.pth.parent.name, twin.pth.parent, twin.index
    about = "nothing was imported"
    if indexes and (p.index_path or index is None) and folder != config.paths().logs:
        voice = read_any(twin.pth)
        chosen, _ = pair(file, files, voice, indexes, p.index_path is not None)
        if chosen is not None:
            with lock.hold(folder):
                index = Path(store(chosen.path, folder, voice))
            about = f"it got the index {chosen.name}"
    return {
        "name": name,
        "pth_path": str(twin.pth),
        "index_path": None if index is None else str(index),
        "message": f"{file.name} is here already, as {twin.pth}; {about}.",
    }


def _name(file: Found, voice: VoiceFile) -> str:
    stem = library.EPOCH.sub("", Path(file.name).stem)
    return config.as_name(stem, config.as_name(str(voice.meta.get("model_name") or ""), "voice"))


def _new_folder(name: str) -> tuple[Path, ExitStack]:
    """The new folder `logs/<name>`, locked, or with a number where that is taken or worked on."""
    folder, number = config.experiment(name), itertools.count(2)
    while True:
        with ExitStack() as held:
            try:
                held.enter_context(lock.hold(folder))
                folder.mkdir(parents=True)
            except (FileExistsError, Busy):
                folder = config.experiment(f"{name} {next(number)}")
            else:
                return folder, held.pop_all()


def _sentence(done: Result) -> str:
    if done["index_path"]:
        about = "with its index"
    elif done["possible_indexes"]:
        about = f"without index (could be {', '.join(done['possible_indexes'][:4])}: --index-path)"
    else:
        about = "without index"
    return f"Imported {done['name']}: {done['sample_rate']} Hz, {done['vocoder']}, {about}."


def pair(
    file: Found, files: list[Found], voice: VoiceFile, indexes: list[Found], given: bool
) -> tuple[Found | None, list[str]]:
    """The index of a voice, or the names of those that could be it.

    Content decides first (the width of its vectors), then names, then that there is nothing else
    in the same place; when in doubt, nobody guesses.
    """
    if given:
        return indexes[0], []
    fits = [i for i in indexes if library.width_of(i.path) in (None, voice.embed_width)]
    bare, stem = bare_name(file), Path(file.name).stem.lower()
    named = [i for i in fits if library.mentions(Path(i.name).stem, bare)]
    exact = [i for i in named if Path(i.name).stem.lower() in (bare, stem)]
    near = [i for i in fits if i.path.parent == file.path.parent]
    shared = any(f.path.parent == file.path.parent and bare_name(f) != bare for f in files)
    for choice in (exact, named, [] if shared else near):
        if len(choice) == 1:
            return choice[0], []
    return None, [i.name for i in named or near]


def bare_name(file: Found) -> str:
    """A voice's name without epoch and step, lower case."""
    return library.EPOCH.sub("", Path(file.name).stem).lower()


def store(source: Path, folder: Path, voice: VoiceFile) -> str:
    """Write the index anew from its plain vectors: whatever else the file held is gone.

    Raises:
        BadInput: damaged. Mismatch: made with another embedder than the voice.
    """
    target = folder / f"{folder.name}.index"
    table = reader.read(source)
    width = table.vectors.shape[1]
    if width != voice.embed_width:
        raise Mismatch(
            f"The index {source} holds features of width {width}; the voice needs "
            f"{voice.embed_width}.",
            "Give the index that belongs to the voice, or none.",
        )
    if len(table.centres) == 1 and len(table.vectors):  # of a kind without cells: make them
        index.write(index.build(table.vectors, "Faiss"), target)
    else:
        faissfile.write(table, target)
    return str(target)
