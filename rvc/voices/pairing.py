"""Which index belongs to a voice that comes in, and how it is kept: as plain vectors."""

from __future__ import annotations

from pathlib import Path

from rvc.errors import Mismatch
from rvc.nets.checkpoint import VoiceFile
from rvc.retrieval import faissfile, index, reader
from rvc.voices import library
from rvc.voices.archive import Found


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
