"""What lies in a dataset folder: recordings and whose voice they hold."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rvc import failures
from rvc.audio.formats import holds_sound, is_sound_name
from rvc.errors import BadInput

MOST_SPEAKERS = 109  # rows of the speaker table
SYSTEM_FOLDERS = frozenset(  # in lower case: recycle bins, snapshots and previews of systems
    {
        *("$recycle.bin", "recycler", "recycled", "system volume information", "found.000"),
        *("#recycle", "#snapshot", "~snapshot", "lost+found", "@eadir", "@recycle", "@tmp"),
        *("@recently-snapshot", "@snapshot", "@sharebin", "@__thumb", "@recyclebin"),
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),
        *("__pycache__", "desktop folder db"),
    }
)
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})


@dataclass(frozen=True)
class Recording:
    """One sound file of the dataset; `key` is its path inside it, with forward slashes."""

    path: Path
    key: str
    speaker: int


@dataclass(frozen=True)
class RecordingSet:
    """All recordings, in a stable order, and the names of those speakers that have one.

    Attributes:
        ignored: number of files that are no recordings.
        endings: of those files, with how many there are of each.
        system_folders: left out with all that is in them; paths inside the dataset.
        unreadable: why folders could not be looked into, a sentence each.
    """

    recordings: list[Recording]
    names: dict[int, str]
    ignored: int
    endings: dict[str, int] = field(default_factory=dict)
    system_folders: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def left_out(self) -> str:
        """What was not taken for recordings, as a sentence; empty where nothing was."""
        said = [f"{name}/" for name in self.system_folders[:3]]
        if len(self.system_folders) > 3:
            said.append(f"{len(self.system_folders) - 3} more folders of the system")
        if self.ignored:
            kinds = sorted(self.endings.items(), key=lambda kind: (-kind[1], kind[0]))
            named = ", ".join(f"{count} {ending}" for ending, count in kinds[:6])
            said.append(f"{self.ignored} other file(s) ({named})")
        strangers = [f"Not recordings: {', '.join(said)}."] if said else []
        return " ".join([*strangers, *self.unreadable[:3]])


def scan(folder: Path, known: Mapping[int, str] | None = None, one: bool = False) -> RecordingSet:
    """Find the recordings in `folder` and its sub-folders.

    Each folder directly inside is a speaker. A number below 109 is the speaker's id, as in
    Applio; any other name gets the lowest id that is free. Files directly in `folder` belong to
    speaker 0.

    Args:
        known: names given in an earlier run, which keep their ids.
        one: the folders are chapters or albums of one speaker, who is speaker 0.

    Raises:
        BadInput: no such folder, nothing to hear in it, or too many speakers.
    """
    if "\0" in str(folder):
        raise BadInput(f"The path {str(folder)!r} cannot be used.", "It holds a NUL character.")
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise BadInput(f"The dataset {folder} {what}.", "Give the folder of your recordings.")
    files, system, refused = [], list[str](), list[OSError]()
    endings: Counter[str] = Counter()
    found = _files(folder, system, refused)
    for path in sorted(found, key=lambda p: p.relative_to(folder).parts):
        if is_sound_name(path) or holds_sound(path):
            files.append(path)
        elif path.name.lower() not in SYSTEM_FILES:
            endings[path.suffix.lower() or "without ending"] += 1
    unreadable = [failures.explain(error).message for error in refused]
    if not files:
        raise BadInput(
            " ".join([f"The dataset {folder} holds no recordings.", *unreadable[:1]]),
            "Put WAV, FLAC, MP3, OGG, OPUS, M4A, MP4 or WebM files into it.",
        )
    owners = [() if one else path.relative_to(folder).parts[:-1][:1] for path in files]
    ids = _ids({owner[0] for owner in owners if owner}, () in owners, known or {})
    recordings = [
        Recording(path, path.relative_to(folder).as_posix(), ids[owner[0]] if owner else 0)
        for path, owner in zip(files, owners, strict=True)
    ]
    names = {number: name for name, number in ids.items() if _number(name) is None}
    return RecordingSet(
        recordings, names, endings.total(), dict(endings), sorted(system), unreadable
    )


def _files(folder: Path, system: list[str], refused: list[OSError]) -> Iterator[Path]:
    """All visible files; links to folders are followed, once. Notes what it leaves out."""
    seen = set()
    for top, folders, files in os.walk(folder, onerror=refused.append, followlinks=True):
        real = os.path.realpath(top)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        strange = {f for f in folders if f.startswith(".") or f.lower() in SYSTEM_FOLDERS}
        system += [Path(top, f).relative_to(folder).as_posix() for f in strange]
        folders[:] = [f for f in folders if f not in strange]
        yield from (Path(top, name) for name in files if not name.startswith("."))


def _number(name: str) -> int | None:
    """The id that a folder's name spells, if it does."""
    plain = name.isascii() and name.isdigit() and int(name) < MOST_SPEAKERS
    return int(name) if plain else None


def _ids(names: set[str], root_used: bool, known: Mapping[int, str]) -> dict[str, int]:
    """Speaker id of every folder name."""
    ids = {name: number for name in names if (number := _number(name)) is not None}
    taken = set(ids.values()) | ({0} if root_used else set())
    for number, name in known.items():
        if name in names and number not in taken:
            ids[name] = number
            taken.add(number)
    for name in sorted(names - ids.keys()):
        free = next(n for n in range(len(taken) + 1) if n not in taken)
        ids[name] = free
        taken.add(free)
    if max(taken) >= MOST_SPEAKERS:
        raise BadInput(
            f"The dataset has {len(taken)} speakers; a voice holds at most {MOST_SPEAKERS}.",
            "Each folder inside the dataset is taken for a speaker; remove some.",
        )
    return ids
