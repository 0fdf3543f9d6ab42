"""The voice library: what lies in logs, read without torch and without unpickling anything."""

from __future__ import annotations

import functools
import os
import re
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc.config import kit, paths
from rvc.voices import heads
from rvc.voices.heads import facts

KINDS = (".pth", ".safetensors", ".onnx")
FLAT_KINDS = (b"IwFl", b"IxF2", b"IxFI")
DEEPEST = 2  # folders below logs in which voices lie
SETTLED_NS = 2_000_000_000  # a folder changed less long ago may change again in the same tick
TRAINING = re.compile(r"^[GD]_.*\.pth$")
EPOCH = re.compile(r"_(?:(\d+)e(?:_\d+s)?|e(\d+)(?:_s\d+)?)$")  # of Applio, of RVC
RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(k?)", re.IGNORECASE)


@dataclass(frozen=True)
class ListedVoice:
    """A voice file and the index that belongs to it."""

    name: str
    pth: Path
    index: Path | None
    facts: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        index = None if self.index is None else str(self.index)
        return {"name": self.name, "pth_path": str(self.pth), "index_path": index, **self.facts}

    def sentence(self) -> str:
        """The facts in one line: 40 kHz · contentvec · 200 epochs · with index."""
        hz = _hz(self.facts.get("sr"))
        parts = [
            f"{hz / 1000:g} kHz" if hz else "",
            str(self.facts.get("vocoder") or ""),
            str(self.facts.get("embedder_model") or ""),
            f"epoch {self.facts['epoch']}" if self.facts.get("epoch") else "",
            str(self.facts.get("dataset_length") or ""),
            "index ✓" if self.index else "no index",
        ]
        return " · ".join(p for p in parts if p)


def _hz(said: Any) -> int:
    """A rate as files spell it: 40000, "40000", "40k"; 0 where it is none."""
    found = RATE.fullmatch(str(said))
    return round(float(found[1]) * (1000 if found[2] else 1)) if found else 0


def voices() -> list[ListedVoice]:
    """Every voice under logs/, by name and epoch; last the one that ships with the program."""
    root = paths().logs
    seen = _files(root, DEEPEST)
    files = tuple((p, _mark(p)) for p in seen if is_voice(p))
    marks = ((p, _mark(p)) for p in seen if p.suffix == ".index")
    indexes = tuple((p, mark) for p, mark in marks if mark[1] > 0)
    shipped = sorted(kit().glob("*/demo.pth"))
    return [*_sorted(files, indexes), *(ListedVoice(p.stem, p, p.with_suffix(".index"), facts(p))
                                        for p in shipped)]  # fmt: skip


Mark = tuple[int, int]  # time of change in ns, bytes
GONE = (0, 0)  # meanwhile


def _mark(path: Path) -> Mark:
    """What changes when a file does; GONE for one that is there no more."""
    try:
        stat = path.stat()
    except OSError:
        return GONE
    return stat.st_mtime_ns, stat.st_size


@functools.lru_cache(maxsize=2)
def _sorted(
    files: tuple[tuple[Path, Mark], ...], indexes: tuple[tuple[Path, Mark], ...]
) -> tuple[ListedVoice, ...]:
    """The voices among files that have not changed since the last time somebody asked."""
    tables = [index for index, _ in indexes]
    found = [
        ListedVoice(_name(p), p, match(p, tables), facts(p)) for p, mark in files if mark != GONE
    ]
    heads.keep(p for p, _ in files)
    found.sort(key=lambda v: (EPOCH.sub("", v.name).lower(), -_epoch(v)))
    return tuple(found)


def _files(folder: Path, depth: int) -> list[Path]:
    """Voices and indexes in a folder and those in it; what begins with a dot is left out, as it is
    in the making."""
    try:
        changed_ns = folder.stat().st_mtime_ns
    except OSError:
        return []
    known = _known.get(folder)
    if known is None or known.changed_ns != changed_ns:
        known = _Folder.read(folder, changed_ns)
        if time.time_ns() - changed_ns > SETTLED_NS:
            _known[folder] = known
    below = (f for sub in known.folders for f in _files(sub, depth - 1)) if depth else ()
    return [*known.files, *below]


@dataclass(frozen=True)
class _Folder:
    """What a folder held when it was last changed; names only, their contents change unseen."""

    changed_ns: int
    files: tuple[Path, ...]
    folders: tuple[Path, ...]

    @staticmethod
    def read(folder: Path, changed_ns: int) -> _Folder:
        entries = [e for e in os.scandir(folder) if not e.name.startswith(".")]
        entries.sort(key=lambda e: e.name)
        wanted = (*KINDS, ".index")
        files = tuple(Path(e.path) for e in entries if e.name.lower().endswith(wanted))
        return _Folder(changed_ns, files, tuple(Path(e.path) for e in entries if _real_folder(e)))


def _real_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


_known: dict[Path, _Folder] = {}


def _name(pth: Path) -> str:
    """What a voice is called in lists: its file's name; the best of a training by its folder's."""
    return f"{pth.parent.name} best" if pth.stem == "best" else pth.stem


def is_voice(path: Path) -> bool:
    """Whether a file is a voice by its name; training checkpoints are not."""
    named = path.suffix.lower() in KINDS and not path.name.startswith(".")
    return named and not TRAINING.match(path.name) and path.is_file()


def match(pth: Path, indexes: list[Path]) -> Path | None:
    """The index of a voice, or None where none or more than one could be meant."""
    ranked = _ranked(pth, indexes)
    ranks = [rank for rank, _ in ranked]
    sure = bool(ranks) and ranks[0] < DOUBT and ranks.count(ranks[0]) == 1
    return ranked[0][1] if sure else None


def candidates(pth: Path, indexes: list[Path]) -> list[Path]:
    """Indexes that could belong to a voice, the likeliest first.

    Content decides before names: an index of another width cannot be its own.
    """
    return [index for _, index in _ranked(pth, indexes)]


DOUBT = 5  # ranks from here on are a guess


def _ranked(pth: Path, indexes: list[Path]) -> list[tuple[int, Path]]:
    said = facts(pth)
    told = said.get("width")
    width = told if isinstance(told, int) else 256 if said.get("version") == "v1" else 0
    wanted, beside = f"_{_words(EPOCH.sub('', pth.stem))}_", str(pth.parent)
    near = [i for i in indexes if wanted in (place := _place(i))[1] or place[0] == beside]
    fits = [i for i in near if not width or width_of(i) in (None, width)]
    fits = [i for i in fits if not i.name.lower().startswith("trained_")]
    alone = sum(i.parent == pth.parent for i in fits) == 1 and pth.parent != paths().logs
    ranked = [(rank, i) for i in fits if (rank := _rank(pth, i, alone)) is not None]
    return sorted(ranked, key=lambda r: (r[0], str(r[1])))


def _rank(pth: Path, index: Path, alone: bool) -> int | None:
    """0 is certain; None is no relation at all."""
    beside, bare = index.parent == pth.parent, EPOCH.sub("", pth.stem)
    names = mentions(index.stem, bare)
    if index.stem == pth.stem:
        return 0 if beside else 3
    if index.stem == bare:
        return 1 if beside else 3
    if names:
        return 2 if beside else 4
    if beside:
        return 2 if alone else DOUBT
    return None


@functools.lru_cache(maxsize=4096)
def _place(index: Path) -> tuple[str, str]:
    """The folder of an index, and the words of its name between underscores."""
    return str(index.parent), f"_{_words(index.stem)}_"


def mentions(title: str, name: str) -> bool:
    """Whether an index's title has a voice's name as words of its own: anna, but not joanna."""
    words, wanted = _words(title), _words(name)
    return bool(wanted) and f"_{wanted}_" in f"_{words}_"


@functools.lru_cache(maxsize=2048)
def _words(text: str) -> str:
    return re.sub(r"[\W_]+", "_", text).strip("_").lower()


def width_of(index: Path) -> int | None:
    """Width of the vectors in an index file; None where its head does not say."""
    return _width(index, *_mark(index))


@functools.lru_cache(maxsize=2048)
def _width(index: Path, changed_ns: int, size: int) -> int | None:
    with index.open("rb") as stream:
        head = stream.read(8)
    if len(head) < 8 or head[:4] not in FLAT_KINDS:
        return None
    out: int | None = struct.unpack("<i", head[4:])[0]
    return out


def _epoch(voice: ListedVoice) -> int:
    inside = EPOCH.search(voice.name)
    said = inside[1] or inside[2] if inside else str(voice.facts.get("epoch") or 0)
    return int(said) if said.isdecimal() and len(said) < 10 else 0
