"""Model files that try to do harm; each would leave a mark at `mark` if its code ran."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests import tiny


class Command:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def _touch(mark: Path) -> str:
    return f"touch {mark}"


def system(path: Path, mark: Path) -> None:
    torch.save({"weight": {"a": Command(os.system, _touch(mark))}, "config": [1] * 18}, path)


def evaluate(path: Path, mark: Path) -> None:
    code = f"open({str(mark)!r}, 'w')"
    torch.save({"weight": Command(eval, code), "model": Command(eval, code)}, path)


def plain_pickle(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Command(os.system, _touch(mark)), protocol=2))


def new_protocol(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Command(os.system, _touch(mark)), protocol=4))


def legacy(path: Path, mark: Path) -> None:
    torch.save(
        {"weight": Command(os.system, _touch(mark))}, path, _use_new_zipfile_serialization=False
    )


def package(path: Path, mark: Path) -> None:
    """A module that installs things, hidden behind an innocent name in the same zip."""
    torch.save({"weight": OrderedDict(a=torch.ones(3))}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/extra.pkl", pickle.dumps(Command(os.system, _touch(mark)), 2))


def two_objects(path: Path, mark: Path) -> None:
    torch.save({"weight": {"a": torch.ones(2)}}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", pickle.dumps(Command(os.system, _touch(mark)), 2))


def bomb(path: Path, mark: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (80 << 20))


def huge_view(path: Path, mark: Path) -> None:
    torch.save({"weight": {"a": torch.zeros(1).expand(1 << 33)}, "model": {}}, path)


def not_finite(path: Path, mark: Path) -> None:
    torch.save(
        {"weight": {"a": torch.full((2,), torch.nan)}, "model": {"a": torch.full((2,), torch.inf)}},
        path,
    )


def objects_as_weights(path: Path, mark: Path) -> None:
    torch.save({"weight": {"a": "text"}, "model": {"a": [1]}, "config": []}, path)


def truncated(path: Path, mark: Path) -> None:
    torch.save({"weight": {"a": torch.ones(5000)}}, path)
    path.write_bytes(path.read_bytes()[:9000])


def nothing(path: Path, mark: Path) -> None:
    path.write_bytes(b"")


def install(path: Path, mark: Path) -> None:
    """pip as a function, which older scanners did not think of."""
    call = b"cpip\nmain\n(lp0\nVinstall\np1\naV" + str(mark).encode() + b"\np2\natR."
    path.write_bytes(b"\x80\x02" + call)


def nested(path: Path, mark: Path) -> None:
    """A model file packed once more."""
    inner = path.with_name("inner.pth")
    system(inner, mark)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "archive/data.pkl")
    inner.unlink()


def _repickled(path: Path, old: bytes, new: bytes) -> None:
    """Change the pickle of a model file, byte for byte."""
    buffer = io.BytesIO()
    torch.save({"weight": {"a": torch.ones(5000)}, "model": {"a": torch.ones(5000)}}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as out:
        for entry in source.infolist():
            content = source.read(entry)
            out.writestr(entry.filename, content.replace(old, new))


FIVE_THOUSAND = b"M\x88\x13"  # as a pickle spells it


def huge_storage(path: Path, mark: Path) -> None:
    """Weights that claim to be gigabytes."""
    _repickled(path, FIVE_THOUSAND, b"J\xff\xff\xff\x7f")


def out_of_bounds(path: Path, mark: Path) -> None:
    """A tensor whose strides lead out of its memory."""
    content = {"weight": OrderedDict(a=_Wild()), "model": OrderedDict(a=_Wild())}
    torch.save(content, path)


class _Wild:
    def __reduce__(self) -> Any:
        storage = torch.storage.TypedStorage(
            wrap_storage=torch.zeros(4).untyped_storage(), dtype=torch.float32, _internal=True
        )
        return torch._utils._rebuild_tensor_v2, (
            storage, 2, (1 << 20, 8), (1 << 30, 1), False, OrderedDict()
        )  # fmt: skip


def subclass(path: Path, mark: Path) -> None:
    """A class of torch that is more than a tensor."""
    torch.save({"weight": {"a": torch.nn.Linear(2, 2)}, "model": torch.nn.Linear(2, 2)}, path)


def recursion(path: Path, mark: Path) -> None:
    """Lists in lists, deeper than any reader goes."""
    path.write_bytes(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")


def _good_but(path: Path, pickled: bytes) -> Path:
    """A whole voice, but for one entry of its metadata, given as a pickle spells it."""
    tiny.voice(path)
    content = torch.load(path, weights_only=True) | {"info": "REPLACED"}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    spelled = b"X\x08\0\0\0REPLACED"
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as out:
        for entry in source.infolist():
            out.writestr(entry.filename, source.read(entry).replace(spelled, pickled))
    return path


def deep(path: Path) -> Path:
    """Metadata of lists in lists."""
    return _good_but(path, b"]" * 50_000 + b"a" * 49_999)


def escapes(path: Path) -> Path:
    """Metadata that would steer a terminal."""
    said = b"\x1b]0;owned\x07\x1b[2Jfine"
    return _good_but(path, b"X" + struct.pack("<I", len(said)) + said)


def endless(path: Path) -> Path:
    """A number of six hundred digits."""
    return _good_but(path, b"\x8a\xff" + b"\x7f" * 255)


def not_a_number(path: Path) -> Path:
    return _good_but(path, b"G\x7f\xf8\0\0\0\0\0\0")


ODD_BUT_WHOLE = [deep, escapes, endless, not_a_number]

Sample = Callable[[Path, Path], None]
SAMPLES = [
    system,
    evaluate,
    plain_pickle,
    new_protocol,
    legacy,
    package,
    two_objects,
    bomb,
    huge_view,
    not_finite,
    objects_as_weights,
    truncated,
    nothing,
    install,
    nested,
    huge_storage,
    out_of_bounds,
    subclass,
    recursion,
]


def tensors(path: Path, header: Any, body: bytes = bytes(64)) -> None:
    """A .safetensors file with this header."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + body)


def _entry(
    kind: str = "F32", shape: tuple[int, ...] = (4,), start: int = 0, end: int = 16
) -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}


def _voice(said: str) -> dict[str, Any]:
    return {"__metadata__": {"voice": said}, "weight": _entry()}


SAFETENSORS: dict[str, Callable[[Path], object]] = {
    "a header of exabytes": lambda p: p.write_bytes(b"\xff" * 7 + b"\x7f" + bytes(64)),
    "a header that is cut": lambda p: p.write_bytes(struct.pack("<Q", 4096) + b"{"),
    "a header that is no JSON": lambda p: tensors(p, b"\x80\x02cos\nsystem\n"),
    "a header of lists in lists": lambda p: tensors(p, b"[" * 100_000),
    "more than the file holds": lambda p: tensors(p, {"weight": _entry(shape=(1 << 40,))}),
    "places outside": lambda p: tensors(p, {"weight": _entry(start=1 << 40, end=(1 << 40) + 16)}),
    "places that overlap": lambda p: tensors(p, {"a": _entry(), "b": _entry()}),
    "a size that overflows": lambda p: tensors(p, {"a": _entry(shape=(1 << 62, 1 << 62))}),
    "an unknown kind": lambda p: tensors(p, {"a": _entry(kind="PY")}),
    "said in lists in lists": lambda p: tensors(p, _voice("[" * 100_000), bytes(16)),
    "said wrongly": lambda p: tensors(p, _voice('{"config": 7, "sr": {"a": 1}}'), bytes(16)),
    "said by a list": lambda p: tensors(p, _voice("[1, 2]"), bytes(16)),
    "nothing at all": lambda p: p.write_bytes(b""),
}


def index_head(kind: bytes, rows: int, width: int = 32, metric: int = 1) -> bytes:
    """The first 37 bytes of a faiss index."""
    return kind + struct.pack("<iqqqBi", width, rows, 1 << 20, 1 << 20, 1, metric)


def _flat(path: Path, number: float) -> None:
    values = [number] + [0.5] * 63
    path.write_bytes(index_head(b"IxF2", 2) + struct.pack("<Q64f", 64, *values))


def _cells(path: Path, *sizes: int) -> None:
    """Cells whose sizes are these, of which only 90 rows are there."""
    head = index_head(b"IwFl", 90) + struct.pack("<QQ", len(sizes), 1)
    centres = index_head(b"IxF2", len(sizes)) + struct.pack("<Q", 32 * len(sizes))
    cells = b"ilar" + struct.pack("<QQ", len(sizes), 128) + b"full"
    listed = struct.pack(f"<{len(sizes) + 1}Q", len(sizes), *sizes)
    body = bytes(128 * len(sizes)) + struct.pack("<BQ", 0, 0) + cells + listed
    path.write_bytes(head + centres + body + bytes(90 * 136))


def _hundred_gigabytes(kind: bytes) -> Callable[[Path], object]:
    """A table of 10^11 bytes, announced in a kind only faiss reads."""
    return lambda p: p.write_bytes(index_head(kind, 10**9) + struct.pack("<Q", 10**11) + bytes(99))


INDEXES: dict[str, Callable[[Path], object]] = {
    "a hundred gigabytes of cells": lambda p: p.write_bytes(
        index_head(b"IwFl", 10**9) + struct.pack("<QQ", 1 << 20, 1) + index_head(b"IxF2", 1 << 20)
    ),
    "a hundred gigabytes of vectors": _hundred_gigabytes(b"IxF2"),
    "a hundred gigabytes for faiss": _hundred_gigabytes(b"IHNf"),
    "a hundred gigabytes of codes": _hundred_gigabytes(b"IxPq"),
    "cells of another kind": _hundred_gigabytes(b"IwPQ"),
    "another space": lambda p: p.write_bytes(b"IxPT" + bytes(200)),
    "cells that overflow": lambda p: _cells(p, (1 << 62) + 45, 3 * (1 << 62) + 45),
    "a cell of exabytes": lambda p: _cells(p, 1 << 63, 90),
    "more cells than rows": lambda p: _cells(p, 89),
    "no width": lambda p: p.write_bytes(index_head(b"IxF2", 1, width=0) + bytes(99)),
    "a negative width": lambda p: p.write_bytes(index_head(b"IxF2", 1, width=-32) + bytes(999)),
    "no number": lambda p: _flat(p, float("nan")),
    "infinite": lambda p: _flat(p, float("inf")),
    "numbers whose squares overflow": lambda p: _flat(p, 3e38),
    "cut off": lambda p: p.write_bytes(index_head(b"IwFl", 90)[:30]),
    "text": lambda p: p.write_bytes(b"<!DOCTYPE html><html>" * 40),
    "nothing": lambda p: p.write_bytes(b""),
}
