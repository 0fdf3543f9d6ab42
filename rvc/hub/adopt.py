"""Take over model files of an existing installation, recognised by their content."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rvc import Report, silent
from rvc.config import command
from rvc.errors import BadInput
from rvc.files import replacing
from rvc.hub import catalog, sha256
from rvc.hub.catalog import Asset
from rvc.hub.foreign import is_page

log = logging.getLogger(__name__)


def adopt(folders: list[Path], report: Report = silent) -> dict[str, Any]:
    """Put every known file found below the folders into place; the originals stay.

    A file is known by its SHA-256, whatever it is called. One whose digest is not published is
    taken by its place and name (`predictors/fcpe.pt`), unless it is a web page.

    Raises:
        BadInput: no folder given, or one that does not exist.
    """
    if not folders:
        raise BadInput("Adopt from which folder?", f"Give one: {command('assets adopt FOLDER')}")
    for folder in folders:
        if not folder.is_dir():
            raise BadInput(f"The folder {folder} does not exist.", "Check the path.")
    files = [f for folder in folders for f in _files(folder)]
    adopted: list[str] = []
    present: list[str] = []
    for number, file in enumerate(files):
        report(number, len(files), "Looking for model files")
        for asset in _recognised(file):
            if asset.file.is_file():
                present += [asset.name] if asset.name not in adopted else []
                continue
            _place(file, asset.file)
            adopted.append(asset.name)
            log.info("Adopted %s as %s.", file, asset.name)
    report(len(files), len(files), "Looking for model files")
    return {
        "message": f"{len(adopted)} model files adopted, {len(set(present))} were there already, "
        f"of {len(files)} looked at.",
        "adopted": adopted,
        "present": sorted(set(present)),
    }


def _files(folder: Path) -> Iterator[Path]:
    """Regular files that may be models, links to folders not followed, in a stable order."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if name.endswith((".bin", ".json", ".pt", ".pth", ".safetensors")):
                yield Path(base, name)


def _recognised(file: Path) -> list[Asset]:
    """The files of the catalogue that this one is."""
    size = file.stat().st_size
    sized = [a for a in catalog.everything() if a.size == size and a.sha256]
    if sized:
        digest = sha256(file)
        return [a for a in sized if a.sha256 == digest]
    tail = _tail(file)
    named = [a for a in catalog.everything() if a.sha256 is None and _tail(Path(a.name)) == tail]
    fits = [a for a in named if a.size in (None, size)]
    return [] if not fits or _page(file) else fits


def _tail(file: Path) -> tuple[str, ...]:
    return file.parts[-2:]


def _page(file: Path) -> bool:
    with file.open("rb") as stream:
        return is_page(stream.read(64))


def _place(file: Path, target: Path) -> None:
    """A second name for the same data where the disk allows it, else a copy; never half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, durable=False) as part:
        try:
            os.link(file.resolve(), part)
        except OSError:
            shutil.copyfile(file, part)
