"""Which files the web may touch: results go to output folders, uploads are sound, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from os.path import exists
from pathlib import Path

from rvc.audio.formats import EXTENSIONS as AUDIO
from rvc.cli import base_type
from rvc.config import kit, named, paths
from rvc.errors import BadInput
from rvc.params import Params
from rvc.server import gate

VOICE = (".pth", ".index", ".safetensors", ".onnx", ".zip")
SERVED = (*AUDIO, *VOICE, ".json", ".png", ".csv", ".txt")
MAX_UPLOAD_BYTES = 1 << 30
RESULTS = re.compile(r"output|save|export|plot|csv")
PLACES = ("source", "what", "tts_voice", "embedder_model_custom")  # texts that may mean a path


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
        return (*self.outputs(), here.assets.resolve(), here.models.resolve(), dropped().resolve())

    def check(self, p: Params) -> None:
        """Refuse parameters whose paths leave the folders that are open.

        Raises:
            BadInput: names the parameter.
        """
        host = getattr(p, "host", "localhost")
        if self.confined and not gate.is_loopback(host):
            raise BadInput(f"host: {host} would be open to everybody.", "Leave it at 127.0.0.1.")
        for name, path in _paths(p):
            writes = RESULTS.search(name) is not None
            if not writes and not self.confined:
                continue
            if not _inside(path, self.outputs() if writes else self.inputs()):
                raise BadInput(
                    f"{name}: {path} lies outside the folders this server may use.",
                    "Use assets/audios, or open a folder with --allow-folder when starting.",
                )

    def served(self, name: str) -> Path:
        """The file behind a download link.

        Raises:
            BadInput: missing, outside the output folders, or not a kind that is served.
        """
        shipped = kit()  # the sample recording, to be heard beside its conversion
        for root in (*self.outputs(), *([shipped.resolve()] if shipped else [])):
            try:
                file = (root / name).resolve()
                if _inside(file, (root,)) and file.suffix in SERVED and file.is_file():
                    return file
            except (OSError, ValueError):
                break
        raise BadInput(f"There is no file {name!r} to download.", "See the list of results.")


def upload_name(name: str, kinds: tuple[str, ...] = AUDIO) -> str:
    """A safe file name for what was uploaded, its ending checked.

    Raises:
        BadInput: not one of the accepted kinds.
    """
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = last.rpartition(".")
    if not dot or f".{ending.lower()}" not in kinds:
        raise BadInput(f"{last!r} is not a kind of file that can be used here.",
                       f"Use one of {', '.join(kinds)}.")  # fmt: skip
    clean = re.sub(r"[^\w -]+", "_", stem).strip(" _")[:48] or "recording"
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


def _paths(p: Params) -> Iterator[tuple[str, Path]]:
    for name, field in type(p).model_fields.items():
        value = getattr(p, name)
        for one in value if isinstance(value, (list, tuple)) else [value]:
            path = isinstance(one, Path) or base_type(field.annotation)[0] is Path
            if one and (path or (name in PLACES and _is_place(one))):
                yield name, Path(one)


def _is_place(text: str) -> bool:
    """Whether a text means a file or folder of this machine, rather than a name or a link."""
    return "://" not in text and (text[0] == "~" or "/" in text or "\\" in text or exists(text))


def _inside(path: Path, roots: tuple[Path, ...]) -> bool:
    try:
        full = path.resolve()
    except (OSError, ValueError):  # a NUL byte, a loop of links
        return False
    return any(full == root or full.is_relative_to(root) for root in roots)
