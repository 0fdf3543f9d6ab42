"""The index of a voice that is replaced goes with it: it would be wrong for the new one."""

from __future__ import annotations

from pathlib import Path

from rvc.voices import library


def index_of(voice: Path) -> Path | None:
    """The index beside a voice that is its own, and would be wrong for another voice there."""
    if not voice.is_file():
        return None
    return library.match(voice, sorted(voice.parent.glob("*.index")))


def drop_index(index: Path | None) -> str:
    """Delete the index of a voice that was replaced; what to add to the sentence about it."""
    if index is None:
        return ""
    index.unlink(missing_ok=True)
    return f" The index {index.name} of the voice before is gone."
