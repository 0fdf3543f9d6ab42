"""What a list of voices shows: one card per voice, with its versions, tags and picture.

What people add to a voice, tags and a picture, lies in its folder and goes where that goes.
Everything is read without torch; what takes time is remembered until its file changes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rvc import config, files
from rvc.errors import BadInput, NotFound
from rvc.voices import library, sample
from rvc.voices.library import ListedVoice

TAGS = "card.json"
MOST_TAGS, LONGEST_TAG = 12, 32
PICTURE = "picture"
PICTURES = {  # by the bytes that such a file begins with, and those from its ninth on
    ".png": (b"\x89PNG\r\n\x1a\n", b""),
    ".jpg": (b"\xff\xd8\xff", b""),
    ".webp": (b"RIFF", b"WEBP"),
}
PICTURE_LIMIT_BYTES = 2 << 20
Card = dict[str, Any]


def cards() -> list[Card]:
    """Every voice, by name, JSON-ready; the newest or best version of each first."""
    logs = config.paths().logs
    heard = {file.name for file in sample.place().glob("*.flac")}
    groups: dict[Path, list[ListedVoice]] = {}
    for voice in library.voices():
        groups.setdefault(_home(voice.pth, logs), []).append(voice)
    return [_card(home, found, logs, heard) for home, found in groups.items()]


def _home(pth: Path, logs: Path) -> Path:
    """The folder of a voice; the file itself where it lies loose in logs."""
    if pth.is_relative_to(logs):
        return logs / pth.relative_to(logs).parts[0]
    return pth.parent


def _card(home: Path, voices: list[ListedVoice], logs: Path, heard: set[str]) -> Card:
    loose = home.suffix.lower() in library.KINDS and home == voices[0].pth
    scores = {} if loose else _scores(home / "metrics.jsonl")
    versions = [v for voice in voices if (v := _version(voice, scores, heard))]
    versions.sort(key=lambda v: not v["best"])
    picture = None if loose else _picture(home)
    return {
        "name": home.stem if loose else home.name,
        "own": home.parent == logs,  # not that which ships
        "folder": not loose,
        "resumable": (home / "state.pt").is_file(),
        "tags": [] if loose else _tags(home / TAGS),
        "picture": picture and picture.stat().st_mtime_ns,  # a new one has another address
        "versions": versions,
    }


def _version(voice: ListedVoice, scores: dict[int, dict[str, Any]], heard: set[str]) -> Card | None:
    """One file of a voice; None for one that is there no more."""
    try:
        stat = voice.pth.stat()
        sampled = sample.file_of(voice.pth).name in heard
    except (OSError, BadInput):
        return None
    step = str(voice.facts.get("step", ""))
    found = scores.get(int(step), {}) if step.isdecimal() else {}
    best = voice.pth.stem == "best"
    return {
        **voice.as_dict(),
        "about": voice.sentence(),
        "best": best,
        "bytes": stat.st_size,
        "changed_s": stat.st_mtime,
        "sample": sampled,
        "score": found.get("score"),
        "similarity": found.get("similarity"),
    }


def _scores(metrics: Path) -> dict[int, dict[str, Any]]:
    """What the training measured of its saves, by step."""
    try:
        stat = metrics.stat()
    except OSError:
        return {}
    return _validations(metrics, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=1024)
def _validations(metrics: Path, changed_ns: int, size: int) -> dict[int, dict[str, Any]]:
    found = {}
    with metrics.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"validation"' not in line:
                continue
            try:
                record = json.loads(line)
                if record["kind"] == "validation":
                    found[int(record["step"])] = record
            except (ValueError, LookupError, TypeError):
                continue  # a line that is being written
    return found


def _tags(file: Path) -> list[str]:
    try:
        stat = file.stat()
    except OSError:
        return []
    return list(_read_tags(file, stat.st_mtime_ns, stat.st_size))


@functools.lru_cache(maxsize=1024)
def _read_tags(file: Path, changed_ns: int, size: int) -> tuple[str, ...]:
    try:
        said = files.read_json(file)["tags"]
    except (OSError, ValueError, LookupError, TypeError):
        return ()  # damaged; the next change writes it anew
    return tuple(str(tag) for tag in said[:MOST_TAGS]) if isinstance(said, list) else ()


def _picture(home: Path) -> Path | None:
    return next((f for end in PICTURES if (f := home / f"{PICTURE}{end}").is_file()), None)


def folder_of(name: str) -> Path:
    """The folder of a voice that people may add something to.

    Raises:
        NotFound: there is none of that name. BadInput: it lies loose in logs.
    """
    folder = config.experiment(name)
    if folder.is_dir():
        return folder
    if any(folder.with_name(folder.name + kind).is_file() for kind in library.KINDS):
        raise BadInput(f"{folder.name} has no folder of its own.", "Rename it, and it gets one.")
    raise NotFound(f"There is no voice {folder.name}.", "Refresh the list of voices.")


def set_tags(name: str, tags: Sequence[str]) -> list[str]:
    """Replace the tags of a voice; returns them as they are kept: trimmed, each once.

    Raises:
        NotFound: no such voice. BadInput: too many tags, or too long ones.
    """
    kept = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if len(kept) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in kept):
        raise BadInput(
            f"These are too many tags for {name}, or too long ones.",
            f"At most {MOST_TAGS} of {LONGEST_TAG} letters are kept.",
        )
    files.write_json(folder_of(name) / TAGS, {"tags": kept})
    return kept


def picture(name: str) -> Path:
    """The picture of a voice, also of the one that ships.

    Raises:
        NotFound: there is none.
    """
    found = _picture(folder_of(name))
    if found is None:
        raise NotFound(f"{name} has no picture.", "Drop one on its card.")
    return found


def set_picture(name: str, data: bytes) -> Path:
    """Keep a picture for a voice, in place of the one before; b"" takes it away.

    Raises:
        NotFound: no such voice. BadInput: not a picture that browsers show, or too large.
    """
    folder = folder_of(name)
    kinds = [end for end, (head, more) in PICTURES.items()
             if data.startswith(head) and data[8:].startswith(more)]  # fmt: skip
    if (data and not kinds) or len(data) > PICTURE_LIMIT_BYTES:
        raise BadInput(
            f"This is no picture that {name} could have.",
            f"Use a PNG, JPEG or WebP of at most {PICTURE_LIMIT_BYTES >> 20} MB.",
        )
    target = folder / f"{PICTURE}{kinds[0] if data else ''}"
    if data:
        files.write_bytes(target, data)
    for end in PICTURES:
        if (other := folder / f"{PICTURE}{end}") != target:
            files.discard(other)
    return target
