"""The public model files this program knows: where they lie, their size and SHA-256."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rvc.config import paths
from rvc.errors import BadInput

FILE = Path(__file__).with_name("catalog.json")


@dataclass(frozen=True)
class Asset:
    """One file.

    Attributes:
        name: its path under `rvc/models`, with forward slashes.
        repo, path: where a Hugging Face style host has it.
        size: bytes; None where not published. sha256: hex digest; None where not published.
        licence: as the maker states it, where people should know it before they fetch the file.
    """

    name: str
    repo: str
    path: str
    size: int | None = None
    sha256: str | None = None
    licence: str | None = None

    @property
    def file(self) -> Path:
        """Where it lies on this machine."""
        return paths().models / self.name

    def url(self, endpoint: str) -> str:
        return f"{endpoint.rstrip('/')}/{self.repo}/resolve/main/{self.path}"


@lru_cache(maxsize=1)
def everything() -> tuple[Asset, ...]:
    """All known files, in the order of the catalogue."""
    return tuple(Asset(**row) for row in json.loads(FILE.read_text(encoding="utf-8")))


def under(folder: str) -> list[Asset]:
    """The files below a folder of `rvc/models`, such as "pretraineds/refinegan"."""
    return [a for a in everything() if a.name.startswith(folder.rstrip("/") + "/")]


def embedders() -> dict[str, str]:
    """Folder below `rvc/models` of every embedder that can be fetched, by the embedder's name."""
    found = (a.name.split("/") for a in everything())
    return {parts[1].replace("_", "-"): "/".join(parts[:2]) for parts in found
            if parts[0] == "embedders"}  # fmt: skip


def embedder(name: str) -> list[Asset]:
    """The files of an embedder; empty for those that are not downloaded."""
    folder = embedders().get(name)
    return under(folder) if folder else []


def one(name: str) -> Asset:
    """The file of exactly this name.

    Raises:
        BadInput: the catalogue has none.
    """
    found = next((a for a in everything() if a.name == name), None)
    if found is None:
        raise BadInput(f"No model file is called {name!r}.", _known())
    return found


def find(name: str) -> list[Asset]:
    """Files by what people call them: an embedder, a folder, a file, or "all".

    Raises:
        BadInput: nothing is called that; the hint lists what is.
    """
    if name == "all":
        return list(everything())
    if name in embedders():
        return embedder(name)
    tidy = name.strip("/")
    found = [
        a
        for a in everything()
        if a.name == tidy or a.name.startswith(tidy + "/") or a.name.endswith("/" + tidy)
    ]
    if not tidy or not found:
        raise BadInput(f"No model file is called {name!r}.", _known())
    return found


def _known() -> str:
    folders = sorted({a.name.rsplit("/", 1)[0] for a in everything() if "embedders" not in a.name})
    return "Known are: all, " + ", ".join([*embedders(), *folders]) + "."
