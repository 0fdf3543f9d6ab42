"""Model files of others: the catalogue, the download room, reading what strangers wrote.

Here: what tells one file from another, computed once per file and remembered on disk; and what was
made of files and takes long to load, kept in memory.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from rvc import files, memory
from rvc.config import load_settings, paths
from rvc.errors import BadInput

LOG = logging.getLogger(__name__)
BLOCK = 1 << 20
KEPT_SHARE = 0.5  # of a process's memory, for what is kept; the rest is to compute with
Made = TypeVar("Made")


def sha256(path: Path, heard: Callable[[int], None] | None = None, again: bool = False) -> str:
    """Hex digest of a file; an unchanged file (size, time of change) is not read again.

    Args:
        heard: told the number of bytes of every block read.
        again: read the file even if it is unchanged.
    """
    stat = path.stat()
    key = str(path.resolve())
    mark = [stat.st_size, stat.st_mtime_ns]
    known = None if again else _known(key, mark)
    if known is not None:
        return known
    digest = _compute(path, heard)
    _remember(key, mark, digest)
    return digest


def renamed(old: Path, new: Path) -> None:
    """Take what is known of a file along to its new name."""
    stat = new.stat()
    mark = [stat.st_size, stat.st_mtime_ns]
    if (known := _known(str(old.resolve()), mark)) is not None:
        _remember(str(new.resolve()), mark, known)
        _note(str(old.resolve())).unlink(missing_ok=True)


def _compute(path: Path, heard: Callable[[int], None] | None) -> str:
    sum_ = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            sum_.update(block)
            if heard:
                heard(len(block))
    return sum_.hexdigest()


def _note(path: str) -> Path:
    """The file that remembers the digest of one file, so that two processes lose nothing."""
    return paths().cache / "digests" / f"{hashlib.sha256(path.encode()).hexdigest()[:32]}.json"


def _known(path: str, mark: list[int]) -> str | None:
    """The digest of a file that has not changed since."""
    try:
        found = files.read_json(_note(path))
    except (OSError, ValueError):
        return None
    same = found.get("path") == path and [found.get("size"), found.get("mtime_ns")] == mark
    return str(found["sha256"]) if same and "sha256" in found else None


def _remember(path: str, mark: list[int], digest: str) -> None:
    """Only a shortcut: a folder that cannot be written costs time, nothing else."""
    note = _note(path)
    values = {"path": path, "size": mark[0], "mtime_ns": mark[1], "sha256": digest}
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(note, values, durable=False)
    except OSError as error:
        LOG.debug("%s", error)


class Loaded:
    """Keeps what takes long to load: two who want the same wait for one loading, others do not.

    When it is more than the budget, what was not asked for longest goes first. What is still in
    use stays: letting go of it would free nothing, and it would be loaded a second time.

    Args:
        budget: bytes that all of it may take, asked for after each loading.
    """

    def __init__(self, budget: Callable[[], int]) -> None:
        self.budget = budget
        self.lock = threading.Lock()
        self.loading: dict[Hashable, threading.Lock] = {}
        self.kept: OrderedDict[tuple[str, Hashable], Any] = OrderedDict()

    def get(self, kind: str, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is kept under `key`, or what `make` makes; where that fails, nothing is kept."""
        found: Made | None = self._found((kind, key))
        if found is not None:
            return found
        with self.lock:
            loading = self.loading.setdefault((kind, key), threading.Lock())
        with memory.aside(), loading:
            found = self._found((kind, key))  # who came first has made it
            if found is None:
                found = make()
                with self.lock:
                    self.kept[kind, key] = found
                    self.loading.pop((kind, key), None)
                    self._fit()
        return found

    def _found(self, key: tuple[str, Hashable]) -> Any:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
            return self.kept.get(key)

    def _fit(self) -> None:
        budget = self.budget()
        for key in list(self.kept):
            if held_bytes(*self.kept.values()) <= budget:
                return
            dropped = weakref.ref(self.kept.pop(key))
            if (used := dropped()) is not None:
                self.kept[key] = used

    def drop(self, *kinds: str) -> None:
        """Keep nothing of these kinds any more; who uses something may go on with it."""
        with self.lock:
            for key in [key for key in self.kept if key[0] in kinds]:
                del self.kept[key]


def held_bytes(*things: Any) -> int:
    """Bytes of the tensors, arrays and graphs that things are made of, each counted once."""
    total, seen, ahead = 0, set[int](), list(things)
    while ahead:
        part = ahead.pop()
        if id(part) in seen or isinstance(part, (type, ModuleType, str, bytes)):
            continue
        seen.add(id(part))
        if isinstance(size := getattr(part, "nbytes", None), int):
            total += size
        elif isinstance(part, (list, tuple)):
            ahead += part
        else:
            inside = part if isinstance(part, dict) else getattr(part, "__dict__", {})
            ahead += list(inside.values())
    return total


def limit_bytes() -> int:
    """Memory that a process which keeps what it has loaded may take, by the settings."""
    import psutil

    try:
        asked = load_settings().worker_memory_mb
    except BadInput as error:
        LOG.warning("%s", error.message)
        asked = 0
    return asked << 20 if asked else psutil.virtual_memory().total // 2


def _budget_bytes() -> int:
    """What may be kept of models: a share of this process's memory, and of a GPU's."""
    import torch

    limits = [limit_bytes()]
    if torch.cuda.is_initialized():
        limits.append(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    return round(KEPT_SHARE * min(limits))


loaded = Loaded(_budget_bytes)  # voices, embedders and pitch extractors of this process
