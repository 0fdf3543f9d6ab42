"""The voice library: what lies in logs, read without torch and without unpickling anything."""

from __future__ import annotations

import functools
import json
import pickletools
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc.config import kit, paths

ORIGIN = "origin_sha256"  # digest of the file that an imported voice was made from
FACTS = ("sr", "epoch", "step", "embedder_model", "vocoder", "version", "f0", "speakers_id",
         "dataset_length", "author", "creation_date", "model_name", "width", ORIGIN)  # fmt: skip
KINDS = (".pth", ".safetensors", ".onnx")
FLAT_KINDS = (b"IwFl", b"IxF2", b"IxFI")
MAX_PICKLE_BYTES = 8 << 20
TRAINING = re.compile(r"^[GD]_.*\.pth$")
EPOCH = re.compile(r"_(?:(\d+)e(?:_\d+s)?|e(\d+)(?:_s\d+)?)$")  # of Applio, of RVC
RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(k?)", re.IGNORECASE)
LONGEST_FACT = 200
HEADER_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True)
class Voice:
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


def voices() -> list[Voice]:
    """Every voice under logs/, by name and epoch; last the one that ships with the program."""
    root = paths().logs
    seen = [p for p in root.rglob("*") if not _hidden(p.relative_to(root))]
    files = [p for p in seen if is_voice(p)]
    indexes = [p for p in seen if p.suffix == ".index" and p.is_file() and p.stat().st_size > 0]
    found = [Voice(_name(p), p, match(p, indexes), facts(p)) for p in files]
    found.sort(key=lambda v: (EPOCH.sub("", v.name).lower(), -_epoch(v)))
    shipped = sorted((kit() or root / "-").glob("*/demo.pth"))
    return found + [Voice(p.stem, p, p.with_suffix(".index"), facts(p)) for p in shipped]


def _hidden(path: Path) -> bool:
    """What begins with a dot is in the making, or nobody's business."""
    return any(part.startswith(".") for part in path.parts)


def _name(pth: Path) -> str:
    """What a voice is called in lists: its file's name; the best of a training by its folder's."""
    return f"{pth.parent.name} best" if pth.stem == "best" else pth.stem


def is_voice(path: Path) -> bool:
    """Whether a file is a voice by its name; training checkpoints are not."""
    named = path.suffix.lower() in KINDS and not path.name.startswith(".")
    return named and not TRAINING.match(path.name) and path.is_file()


def match(pth: Path, indexes: list[Path]) -> Path | None:
    """The index of a voice, or None where none or more than one could be meant."""
    return next(iter(candidates(pth, indexes)), None) if sure(pth, indexes) else None


def sure(pth: Path, indexes: list[Path]) -> bool:
    """Whether the first candidate is beyond doubt."""
    ranks = [rank for rank, _ in _ranked(pth, indexes)]
    return bool(ranks) and ranks[0] < DOUBT and ranks.count(ranks[0]) == 1


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
    fits = [i for i in indexes if not width or width_of(i) in (None, width)]
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


def mentions(title: str, name: str) -> bool:
    """Whether an index's title has a voice's name as words of its own: anna, but not joanna."""
    words, wanted = (re.sub(r"[\W_]+", "_", text).strip("_").lower() for text in (title, name))
    return bool(wanted) and f"_{wanted}_" in f"_{words}_"


def width_of(index: Path) -> int | None:
    """Width of the vectors in an index file; None where its head does not say."""
    with index.open("rb") as stream:
        head = stream.read(8)
    if len(head) < 8 or head[:4] not in FLAT_KINDS:
        return None
    out: int | None = struct.unpack("<i", head[4:])[0]
    return out


def facts(pth: Path) -> dict[str, Any]:
    """What a voice file says about itself; empty when it cannot be read."""
    stat = pth.stat()
    return dict(_facts(str(pth), stat.st_mtime_ns, stat.st_size))


@functools.lru_cache(maxsize=512)
def _facts(pth: str, mtime_ns: int, size: int) -> tuple[tuple[str, Any], ...]:
    try:
        if pth.endswith(".safetensors"):
            return _fit(_said(Path(pth)))
        with zipfile.ZipFile(pth) as archive:
            inner = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            if archive.getinfo(inner).file_size > MAX_PICKLE_BYTES:
                return ()
            return _fit(_scan(archive.read(inner)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, struct.error):
        return ()  # damaged
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OverflowError, StopIteration):
        return ()  # packed in an unusual way


def _fit(found: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The facts that are of a kind that can be shown in a line."""
    out: dict[str, Any] = {}
    for key, value in found.items():
        if isinstance(value, str):
            out[key] = "".join(c for c in value[:LONGEST_FACT] if c.isprintable())
        elif isinstance(value, (int, float)) and abs(value) < 1 << 63:
            out[key] = value
    return tuple(out.items())


def _said(file: Path) -> dict[str, Any]:
    """The facts in the header of a safetensors file."""
    with file.open("rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(min(size, HEADER_LIMIT_BYTES)))
    said = json.loads(header["__metadata__"]["voice"])
    told = said.get("embedder")
    width = told.get("width") if isinstance(told, dict) else None
    return {k: said[k] for k in FACTS if k in said} | ({"width": width} if width else {})


def _scan(data: bytes) -> dict[str, Any]:
    """Plain values that follow known keys in a pickle's opcodes; nothing is executed."""
    found: dict[str, Any] = {}
    memo: dict[Any, Any] = {}
    key, last = None, None
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = last
            continue
        if name in ("BINGET", "LONG_BINGET"):
            last = memo.get(argument)
        elif name in ("NEWTRUE", "NEWFALSE"):
            last = name == "NEWTRUE"
        elif isinstance(argument, (int, float, str)) and "GLOBAL" not in name:
            last = argument
        else:
            key, last = None, None
            continue
        if key is not None:
            found[key], key = last, None
        elif isinstance(last, str) and last in FACTS:
            key = last
    return found


def _epoch(voice: Voice) -> int:
    inside = EPOCH.search(voice.name)
    said = inside[1] or inside[2] if inside else str(voice.facts.get("epoch") or 0)
    return int(said) if said.isdecimal() and len(said) < 10 else 0
