"""Which voices are here already, told by their content: nothing comes in twice."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from rvc.config import paths
from rvc.hub import sha256
from rvc.voices import heads, library
from rvc.voices.library import ListedVoice


class Present:
    """The voices in logs by their content: their own, and that of the file they came from."""

    def __init__(self) -> None:
        self.sizes: dict[int, list[ListedVoice]] = defaultdict(list)
        self.origins: dict[str, ListedVoice] = {}
        for voice in library.voices():
            if paths().logs in voice.pth.parents:
                self._note(voice)

    def _note(self, voice: ListedVoice) -> None:
        self.sizes[voice.pth.stat().st_size].append(voice)
        self.origins[str(voice.facts.get(heads.ORIGIN))] = voice

    def find(self, file: Path) -> ListedVoice | None:
        """The voice that `file` is or was made into; None for a new one."""
        size, digest = file.stat().st_size, sha256(file)
        same = next((v for v in self.sizes[size] if sha256(v.pth) == digest), None)
        return same or self.origins.get(digest)

    def add(self, pth: Path) -> None:
        """Remember a voice that has come in since; its index is the one beside it."""
        index = next(iter(pth.parent.glob("*.index")), None)
        self._note(ListedVoice(pth.stem, pth, index, heads.facts(pth)))
