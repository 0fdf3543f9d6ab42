"""The whole training in one file, replaced in one step, the one before it kept.

`state.pt` is what `torch.save` writes, followed by a mark and the SHA-256 of all before it. It is
written under another name, flushed to the disk and renamed; a hard link keeps the file it
replaces as `state.previous.pt`. So at every moment at least one complete state exists. What must
stay the same when a training goes on is its identity, which the file holds too.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from rvc import files
from rvc.dataset import filelist, manifest
from rvc.errors import Mismatch, StageFailed
from rvc.params.train import Train
from rvc.train.distributed import Ranks
from rvc.train.material import Material

log = logging.getLogger(__name__)

NAME, PREVIOUS = "state.pt", "state.previous.pt"
MARK = b"RVCSTATE"
FOOTER_BYTES = len(MARK) + hashlib.sha256().digest_size
BLOCK_BYTES = 1 << 22


class _Hashing(io.RawIOBase):
    """Passes writes on, hashes them, and remembers the error that torch.save would disguise."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.hash = file, hashlib.sha256()
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.hash.update(data)
        return len(data)


def save(folder: Path, payload: dict[str, Any]) -> Path:
    """Write the state atomically; on any failure the states already there stay as they are.

    Raises:
        OSError: the disk is full or may not be written.
    """
    file, previous = folder / NAME, folder / PREVIOUS
    with files.replacing(file) as part:
        write_verified(part, payload)
        files.sync(part)  # before anything happens to the files there are
        if file.exists():
            _keep(file, previous)
    return file


def write_verified(path: Path, payload: dict[str, Any]) -> None:
    """Save with the digest appended."""
    with path.open("wb") as raw:
        out = _Hashing(raw)
        try:
            torch.save(payload, cast(BinaryIO, out))
        except RuntimeError as error:
            if out.error is None:
                raise
            raise out.error from error
        raw.write(MARK + out.hash.digest())


def _keep(file: Path, previous: Path) -> None:
    """Give `file` the second name `previous` without a moment in which neither exists."""
    link = previous.with_suffix(".link")
    link.unlink(missing_ok=True)
    try:
        os.link(file, link)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        files.replace(file, previous)  # no hard links here; reading falls back to `previous`
        return
    files.replace(link, previous)


def read_verified(path: Path) -> dict[str, Any]:
    """Read one state file.

    Raises:
        ValueError: it is truncated or its digest is wrong.
    """
    size = path.stat().st_size - FOOTER_BYTES
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = size
        while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
            digest.update(block)
            left -= len(block)
        if left or file.read() != MARK + digest.digest():
            raise ValueError("its digest does not fit its content")
        file.seek(0)
        out: dict[str, Any] = torch.load(
            cast(BinaryIO, _Window(file, size)), map_location="cpu", weights_only=True
        )
        return out


class _Window(io.RawIOBase):
    """The first `size` bytes of a file, as if it ended there."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset, whence = self.size + offset, io.SEEK_SET
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: Any) -> int:
        room = max(0, min(len(buffer), self.size - self.file.tell()))
        out: int = self.file.readinto(memoryview(buffer)[:room])  # type: ignore[attr-defined]
        return out


def load(folder: Path) -> dict[str, Any] | None:
    """The newest state that is whole, or None where there never was one.

    Raises:
        StageFailed: there are states, but every one is damaged.
    """
    files.remove_stale(folder)
    causes = []
    for name in (NAME, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            payload = read_verified(path)
        except (ValueError, RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            causes.append(f"{name}: {error}")
            log.warning("%s is damaged (%s).", path, error)
            continue
        if causes:
            log.warning("Going on from %s instead.", path)
        return payload
    if causes:
        raise StageFailed(
            f"No saved training in {folder} can be read ({'; '.join(causes)}).",
            "Begin anew with --cleanup, or delete the state files to go on from G_/D_ files.",
        )
    return None


SHOWN = 3
FREE = ("batch_size", "clips", "balance")


def identity_of(p: Train, m: Material, ranks: Ranks) -> dict[str, Any]:
    """What tells whether a training is the same when it goes on, JSON-ready."""
    several = len({clip.speaker for clip in m.learn}) > 1
    return {
        "sample_rate": p.sample_rate,
        "vocoder": p.vocoder,
        "batch_size": p.batch_size * ranks.world,
        "seed": p.seed,
        "embedder": m.embedder.get("name"),
        "embedder_digest": m.embedder.get("digest"),
        "embedder_width": m.embed_width,
        "settings": manifest.digest(m.settings.as_json()),
        "clips": filelist.digests(m.learn),
    } | ({"balance": p.balance} if several else {})


def require_same(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Make sure that what a saved training learnt can go on; returns what may differ and does.

    Batch size, clips and balance may: what was learnt holds, only the result is no longer that of
    one uninterrupted training. Another network, embedder or seed is another training.

    Raises:
        Mismatch: it cannot; the message lists the differences.
    """
    wrong = _differences(saved, now, [key for key in now if key not in FREE])
    notes = _differences(saved, now, [k for k in FREE if k in saved and k in now and k != "clips"])
    notes += changed(saved.get("clips", {}), now["clips"])
    if wrong:
        raise Mismatch(
            f"The saved training cannot go on: {'; '.join(wrong)}.",
            "Go back to what it was; or keep what it learnt as a starting point for a new "
            "training with --cleanup --custom-pretrained and copies of its G_ and D_ files; or "
            "begin anew with --cleanup.",
        )
    return notes


def _differences(
    saved: Mapping[str, Any], now: Mapping[str, Any], keys: Iterable[str]
) -> list[str]:
    return [
        f"{key.replace('_', ' ')} was {saved.get(key)!r} and is now {now[key]!r}"
        for key in keys
        if saved.get(key) != now[key]
    ]


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Differences between two sets of clips, as phrases."""
    groups = {
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
        "changed": [name for name in now if before.get(name, now[name]) != now[name]],
    }
    return [
        f"{len(names)} clips {what} ({', '.join(sorted(names)[:SHOWN])}"
        f"{', ...' if len(names) > SHOWN else ''})"
        for what, names in groups.items()
        if names
    ]
