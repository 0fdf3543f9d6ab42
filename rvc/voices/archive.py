"""Unpack archives from strangers: member by member, to names of our own, within limits."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rvc.errors import BadInput
from rvc.files import replacing

KINDS = (".pth", ".safetensors", ".onnx", ".index")
ENTRY_LIMIT = 5000
FILE_LIMIT_BYTES = 4 << 30
TOTAL_LIMIT_BYTES = 6 << 30
RATIO_LIMIT = 200  # unpacked to packed; weights hardly shrink at all
BLOCK = 1 << 20


@dataclass(frozen=True)
class Found:
    """A file that came with a voice.

    Attributes:
        name: what it was called there (for people and for pairing; never a path to write to).
        path: where it lies now.
    """

    name: str
    path: Path


def unpack(archive: Path, folder: Path) -> list[Found]:
    """Extract the voices and indexes of a zip into `folder`, named 0.pth, 1.index, …

    Raises:
        BadInput: no zip, damaged, encrypted, or larger inside than any voice.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = [e for e in packed.infolist() if _wanted(e)]
            _check(archive, packed.infolist(), entries)
            folder.mkdir(parents=True, exist_ok=True)
            return [_one(packed, e, folder, i) for i, e in enumerate(entries)]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadInput(f"{archive} is damaged or no zip archive.", str(error)[:120]) from error


def _wanted(entry: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    hidden = "__MACOSX" in parts or any(p.startswith(".") for p in parts[-1:])
    return not (entry.is_dir() or link or hidden) and entry.filename.lower().endswith(KINDS)


def _check(archive: Path, every: list[zipfile.ZipInfo], wanted: list[zipfile.ZipInfo]) -> None:
    total = sum(e.file_size for e in wanted)
    if (
        len(every) > ENTRY_LIMIT
        or total > TOTAL_LIMIT_BYTES
        or any(e.file_size > FILE_LIMIT_BYTES for e in wanted)
        or any(e.file_size > RATIO_LIMIT * max(1, e.compress_size) for e in wanted)
    ):
        raise BadInput(
            f"{archive} unpacks to more than a voice has ({total >> 20} MB).", "Do not use it."
        )
    if any(e.flag_bits & 1 for e in wanted):
        raise BadInput(f"{archive} is encrypted.", "Unpack it yourself and give the folder.")


def _one(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, number: int) -> Found:
    """Copy at most as many bytes as the entry claims to have; more is an attack."""
    name = PurePosixPath(entry.filename.replace("\\", "/")).name
    target = folder / f"{number}{Path(name).suffix.lower()}"
    left = entry.file_size
    with packed.open(entry) as source, target.open("wb") as out:
        while block := source.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise BadInput(f"{packed.filename} holds more than it says.", "Do not use it.")
            out.write(block)
    return Found(name, target)


def pack(files: dict[str, Path], texts: dict[str, str], archive: Path) -> None:
    """Write a zip of files and texts under the given names, in one step."""
    with replacing(archive) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as out:
        for name, path in files.items():
            with path.open("rb") as source, out.open(name, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, BLOCK)
        for name, text in texts.items():
            out.writestr(name, text)
