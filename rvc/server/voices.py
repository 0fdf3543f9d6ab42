"""The voices on this machine, read without torch and without unpickling anything."""

from __future__ import annotations

import functools
import pickletools
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc.config import kit, paths

FACTS = ("sr", "epoch", "step", "embedder_model", "vocoder", "version", "f0", "speakers_id",
         "dataset_length", "author", "creation_date", "model_name")  # fmt: skip
MAX_PICKLE_BYTES = 8 << 20
TRAINING = re.compile(r"^[GD]_.*\.pth$")
EPOCH = re.compile(r"_(\d+)e(_\d+s)?$")


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
        rate = str(self.facts.get("sr", ""))
        hz = int(float(rate[:-1]) * 1000) if rate.endswith("k") else int(rate or 0)
        parts = [
            f"{hz / 1000:g} kHz" if hz else "",
            str(self.facts.get("vocoder") or ""),
            str(self.facts.get("embedder_model") or ""),
            f"epoch {self.facts['epoch']}" if self.facts.get("epoch") else "",
            str(self.facts.get("dataset_length") or ""),
            "index ✓" if self.index else "no index",
        ]
        return " · ".join(p for p in parts if p)


def voices() -> list[Voice]:
    """Every voice under logs/, by name and epoch; last the one that ships with the program."""
    root = paths().logs
    files = [p for p in root.rglob("*.pth") if not TRAINING.match(p.name) and p.is_file()]
    indexes = [p for p in root.rglob("*.index") if p.is_file() and p.stat().st_size > 0]
    found = [Voice(p.stem, p, match(p, indexes), facts(p)) for p in files]
    found.sort(key=lambda v: (EPOCH.sub("", v.name).lower(), -_epoch(v)))
    shipped = sorted((kit() or root / "-").glob("*/demo.pth"))
    return found + [Voice(p.stem, p, p.with_suffix(".index"), facts(p)) for p in shipped]


def match(pth: Path, indexes: list[Path]) -> Path | None:
    """The index of a voice: same name, else the only one beside it, else one that names it."""
    bare = EPOCH.sub("", pth.stem)
    beside = [i for i in indexes if i.parent == pth.parent]
    for stem in (pth.stem, bare):
        if exact := [i for i in beside if i.stem == stem]:
            return exact[0]
    if len(beside) == 1 and pth.parent != paths().logs:
        return beside[0]
    named = [
        i for i in (*beside, *indexes) if re.search(rf"(^|[_ ]){re.escape(bare)}([_ ]|$)", i.stem)
    ]
    return named[0] if named else None


def facts(pth: Path) -> dict[str, Any]:
    """What a voice file says about itself; empty when it cannot be read."""
    stat = pth.stat()
    return dict(_facts(str(pth), stat.st_mtime_ns, stat.st_size))


@functools.lru_cache(maxsize=512)
def _facts(pth: str, mtime_ns: int, size: int) -> tuple[tuple[str, Any], ...]:
    try:
        with zipfile.ZipFile(pth) as archive:
            inner = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            if archive.getinfo(inner).file_size > MAX_PICKLE_BYTES:
                return ()
            return tuple(_scan(archive.read(inner)).items())
    except (OSError, zipfile.BadZipFile, StopIteration, ValueError):
        return ()


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
    return int(inside[1]) if inside else int(voice.facts.get("epoch") or 0)
