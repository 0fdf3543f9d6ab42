"""Deleting can be undone: a deleted voice waits in `logs/.trash` for 30 days.

An entry is a folder `<unix time>-<random>` with what was deleted under its own names. It lies
within logs, so that putting something in and taking it out are renames, which cost nothing and
cannot stop half-way for want of room.
"""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rvc import Report, config, params, silent
from rvc.errors import BadInput
from rvc.voices import library

KEPT_DAYS = 30
DAY_S = 86400
Result = dict[str, Any]


@dataclass(frozen=True)
class Deletion:
    """One deletion.

    Attributes:
        deleted_s: when, in seconds since 1970.
    """

    folder: Path
    name: str
    deleted_s: int

    @property
    def bytes(self) -> int:
        return sum(f.stat().st_size for f in self.folder.rglob("*") if f.is_file())

    def as_dict(self) -> dict[str, Any]:
        gone_s = self.deleted_s + KEPT_DAYS * DAY_S
        return {"name": self.name, "deleted_s": self.deleted_s, "kept_until_s": gone_s,
                "bytes": self.bytes}  # fmt: skip


def place() -> Path:
    return config.paths().logs / ".trash"


def entries() -> list[Deletion]:
    """What can be restored, the newest first."""
    found = []
    for folder in place().iterdir() if place().is_dir() else ():
        stamp = folder.name.partition("-")[0]
        inside = sorted(folder.iterdir()) if folder.is_dir() and stamp.isdecimal() else []
        if inside:
            first = inside[0]
            name = first.name if first.is_dir() else first.stem
            found.append(Deletion(folder, name, int(stamp)))
    return sorted(found, key=lambda entry: (-entry.deleted_s, entry.folder.name))


def delete(p: params.DeleteVoice, report: Report = silent) -> Result:
    """Move logs/<name>, or the files of that name which lie loose in logs, into the trash.

    Raises:
        BadInput: no such voice, or the name was not confirmed.
    """
    name = config.experiment(p.model_name).name
    if p.confirm.strip() != name:
        raise BadInput(f"Deleting {name} was not confirmed.", "Give the same name twice.")
    entry = place() / f"{int(time.time())}-{secrets.token_hex(3)}"
    files = parts(name)
    entry.mkdir(parents=True)
    for file in files:
        file.rename(entry / file.name)
    purge(KEPT_DAYS)
    size = Deletion(entry, name, 0).bytes
    again = config.command(f"restore-voice --model-name '{name}'")
    return {
        "message": f"Deleted {name} ({size / 1e6:.1f} MB). It is kept for {KEPT_DAYS} days: "
        f"`{again}` brings it back.",
        "bytes": size,
    }


def restore(p: params.RestoreVoice, report: Report = silent) -> Result:
    """Move a voice back to where it was.

    Raises:
        BadInput: it is not in the trash, or another has its name by now.
    """
    name = config.experiment(p.model_name).name
    entry = next((e for e in entries() if e.name == name), None)
    if entry is None:
        raise BadInput(
            f"There is no deleted voice {name}.",
            f"See those there are with `{config.command('voices --trash')}`.",
        )
    inside = sorted(entry.folder.iterdir())
    taken = [f.name for f in inside if (config.paths().logs / f.name).exists()]
    if taken:
        raise BadInput(
            f"There is another {taken[0]} in logs by now.", "Rename or delete that one first."
        )
    for file in inside:
        file.rename(config.paths().logs / file.name)
    entry.folder.rmdir()
    return {"message": f"{name} is back.", "name": name}


def empty(p: params.EmptyTrash, report: Report = silent) -> Result:
    """Delete for good."""
    count, size = purge(p.days)
    return {
        "message": f"Deleted {count} voices for good ({size / 1e6:.1f} MB).",
        "voices": count,
        "bytes": size,
    }


def purge(days: int) -> tuple[int, int]:
    """Delete for good what was deleted so many days ago; returns how many, and their bytes."""
    old = [e for e in entries() if time.time() - e.deleted_s >= days * DAY_S]
    size = sum(entry.bytes for entry in old)
    for entry in old:
        shutil.rmtree(entry.folder)
    return len(old), size


def parts(name: str) -> list[Path]:
    """What a voice consists of: its folder, or its files where they lie loose in logs.

    Raises:
        BadInput: there is no such voice.
    """
    folder = config.experiment(name)
    if folder.is_dir() and not folder.is_symlink():
        return [folder]
    kinds = (*library.KINDS, ".index")
    loose = [file for kind in kinds if (file := folder.with_name(folder.name + kind)).is_file()]
    if not loose:
        raise BadInput(
            f"There is no voice {folder.name}.", f"See them with `{config.command('voices')}`."
        )
    return loose
