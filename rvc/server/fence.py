"""Which files the web may touch: results go to output folders, uploads are sound, nothing else."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from os.path import exists
from pathlib import Path
from typing import TypeVar

from rvc.audio.formats import EXTENSIONS
from rvc.config import as_name, kit, named, paths
from rvc.errors import BadInput, NotFound
from rvc.params import Params
from rvc.params.base import base_type, reads, writes
from rvc.server import gate

Given = TypeVar("Given", bound=Params)
VOICE = (".pth", ".index", ".safetensors", ".onnx", ".zip")
AUDIO = EXTENSIONS
SERVED = (*AUDIO, *VOICE, ".json", ".png", ".csv", ".txt")
MAX_UPLOAD_BYTES = 1 << 30
WEEK_S = 7 * 24 * 3600


class Fence:
    """The rules of one server.

    Args:
        confined: inputs, too, must lie in the program's own folders (anyone on a network).
        extra: further folders opened on the command line.
    """

    def __init__(self, confined: bool = False, extra: tuple[Path, ...] = ()) -> None:
        self.confined = confined
        self.extra = tuple(folder.resolve() for folder in extra)

    def outputs(self) -> tuple[Path, ...]:
        """Folders results may be written to and are served from."""
        here = paths()
        return (here.audios.resolve(), here.logs.resolve(), *self.extra)

    def inputs(self) -> tuple[Path, ...]:
        here = paths()
        return (
            *self.outputs(), here.assets.resolve(), here.models.resolve(), dropped().resolve(),
            kit().resolve(),
        )  # fmt: skip

    def check(self, p: Given) -> Given:
        """Refuse parameters whose paths leave the folders that are open.

        Returns:
            The parameters to work with: what would be written beside an input that lies outside
            the output folders goes into logs instead, under a name that is free.

        Raises:
            BadInput: names the parameter.
        """
        host = getattr(p, "host", "localhost")
        if self.confined and not gate.is_loopback(host):
            raise BadInput(f"host: {host} would be open to everybody.", "Leave it at 127.0.0.1.")
        for name, path, written in _paths(p):
            if not written and not self.confined:
                continue
            if not _inside(path, self.outputs() if written else self.inputs()):
                raise BadInput(
                    f"{name}: {path} lies outside the folders this server may use.",
                    "Use assets/audios, or open a folder with --allow-folder when starting.",
                )
        moved = {
            name: _in_logs(path)
            for name, path in p.implied_outputs().items()
            if getattr(p, name) is None and not _inside(path, self.outputs())
        }
        return p.model_copy(update=moved) if moved else p

    def may_read(self, path: Path) -> bool:
        """Whether somebody at the page may be told what lies at a path."""
        return not self.confined or _inside(path, self.inputs())

    def served(self, name: str) -> Path:
        """The file behind a download link.

        Raises:
            NotFound: missing, outside the output folders, or not a kind that is served.
        """
        for root in (*self.outputs(), kit().resolve()):  # the shipped sample is heard, too
            try:
                file = (root / name).resolve()
                if _inside(file, (root,)) and file.suffix in SERVED and file.is_file():
                    return file
            except (OSError, ValueError):
                break
        raise NotFound(f"There is no file {name!r} to download.", "See the list of results.")


def upload_name(name: str, kinds: tuple[str, ...] = AUDIO) -> str:
    """A safe file name for what was uploaded, its ending checked.

    Raises:
        BadInput: not one of the accepted kinds.
    """
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = last.rpartition(".")
    if not dot or f".{ending.lower()}" not in kinds:
        few = ", ".join(kind.removeprefix(".").upper() for kind in kinds[:6])
        more = " or another common kind" if len(kinds) > 6 else ""
        raise BadInput(
            f"{last!r} is not a kind of file that can be used here.", f"Use {few}{more}."
        )
    clean = as_name(stem.replace(".", "_"), "recording")
    return f"{clean}.{ending.lower()}"


def fresh(folder: Path, name: str) -> Path:
    """A path in `folder` that does not exist yet, as close to `name` as possible."""
    file = named(folder, name)
    number = 2
    while file.exists():
        file = named(folder, f"{Path(name).stem} {number}{Path(name).suffix}")
        number += 1
    folder.mkdir(parents=True, exist_ok=True)
    return file


def dropped() -> Path:
    """Where files wait that were dropped on the page and are not yet taken in."""
    return paths().cache / "dropped"


def drop_room(name: str) -> Path:
    """A new folder there for what is dropped at once; those of last week are deleted."""
    for old in dropped().glob("*"):
        if time.time() - old.stat().st_mtime > WEEK_S:
            shutil.rmtree(old, ignore_errors=True)
    return fresh(dropped(), name)


def _paths(p: Params) -> Iterator[tuple[str, Path, bool]]:
    """(field, path, whether it is written) of every value that means a place on this machine."""
    for name, field in type(p).model_fields.items():
        written = writes(field)
        if not written and not reads(field):
            continue
        value = getattr(p, name)
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one and (base_type(field.annotation)[0] is Path or _is_place(str(one))):
                yield name, Path(one), written


def _in_logs(path: Path) -> Path:
    """A free path in logs for a file that was to lie elsewhere, in a folder of its name."""
    name = upload_name(path.name, VOICE)
    return fresh(named(paths().logs, Path(name).stem), name)


def _is_place(text: str) -> bool:
    """Whether a text means a file or folder of this machine, rather than a name or a link."""
    return "://" not in text and (text[0] == "~" or "/" in text or "\\" in text or exists(text))


def _inside(path: Path, roots: tuple[Path, ...]) -> bool:
    try:
        full = path.resolve()
    except (OSError, ValueError):  # a NUL byte, a loop of links
        return False
    return any(full == root or full.is_relative_to(root) for root in roots)
