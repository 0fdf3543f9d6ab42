"""What voice files say about themselves, read from their heads without torch or unpickling."""

from __future__ import annotations

import functools
import json
import pickletools
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

ORIGIN = "origin_sha256"  # digest of the file that an imported voice was made from
FACTS = ("sr", "epoch", "step", "embedder_model", "vocoder", "version", "f0", "speakers_id",
         "dataset_length", "author", "creation_date", "model_name", "width", ORIGIN)  # fmt: skip
MAX_PICKLE_BYTES = 8 << 20
LONGEST_FACT = 200
HEADER_LIMIT_BYTES = 16 << 20


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
