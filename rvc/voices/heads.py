"""What voice files say about themselves, read from their heads without torch or unpickling."""

from __future__ import annotations

import functools
import json
import logging
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc import files
from rvc.config import paths

ORIGIN = "origin_sha256"  # digest of the file that an imported voice was made from
FACTS = ("sr", "epoch", "step", "embedder_model", "vocoder", "version", "f0", "speakers_id",
         "dataset_length", "author", "creation_date", "model_name", "width", ORIGIN)  # fmt: skip
MAX_PICKLE_BYTES = 8 << 20
LONGEST_FACT = 200
HEADER_LIMIT_BYTES = 16 << 20
KEPT = "voices.json"  # in the cache: what was found before
log = logging.getLogger(__name__)


def facts(pth: Path) -> dict[str, Any]:
    """What a voice file says about itself; empty when it cannot be read."""
    stat = pth.stat()
    mark = [stat.st_mtime_ns, stat.st_size]
    known = _known(paths().cache / KEPT)
    row = known.rows.get(str(pth))
    if row is None or row[:2] != mark:
        row = known.rows[str(pth)] = [*mark, _read(pth)]
        known.changed = True
    return dict(row[2])


def keep(voices: Iterable[Path]) -> None:
    """Leave the facts of these voices to the next process, where any are new."""
    file = paths().cache / KEPT
    known = _known(file)
    if not known.changed:
        return
    known.changed = False
    rows = {str(pth): known.rows[str(pth)] for pth in voices if str(pth) in known.rows}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(file, rows, durable=False)
    except OSError as error:  # a full disk is no reason not to list voices
        log.debug("%s: %s", file, error)


@dataclass
class _Known:
    """Facts found before, also by other processes: looking into 300 voices takes seconds.

    Attributes:
        rows: time of change in ns, bytes, facts, by path.
        changed: something is not kept in the file yet.
    """

    rows: dict[str, list[Any]]
    changed: bool = False


@functools.lru_cache(maxsize=2)
def _known(file: Path) -> _Known:
    try:
        rows = files.read_json(file)
    except (OSError, ValueError):
        return _Known({})
    sound = {k: v for k, v in rows.items() if isinstance(v, list) and len(v) == 3}
    return _Known({k: v for k, v in sound.items() if isinstance(v[2], dict)})


def _read(pth: Path) -> dict[str, Any]:
    try:
        if pth.suffix == ".safetensors":
            return _fit(_said(pth))
        with zipfile.ZipFile(pth) as archive:
            inner = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            if archive.getinfo(inner).file_size > MAX_PICKLE_BYTES:
                return {}
            return _fit(_scan(archive.read(inner)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, struct.error):
        return {}  # damaged
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OverflowError, StopIteration):
        return {}  # packed in an unusual way


def _fit(found: dict[str, Any]) -> dict[str, Any]:
    """The facts that are of a kind that can be shown in a line."""
    out: dict[str, Any] = {}
    for key, value in found.items():
        if isinstance(value, str):
            out[key] = "".join(c for c in value[:LONGEST_FACT] if c.isprintable())
        elif isinstance(value, (int, float)) and abs(value) < 1 << 63:
            out[key] = value
    return out


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
