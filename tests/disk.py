"""A disk that is full at one moment, for tests of what that costs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rvc import files

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")


def fill(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make the next write of a file called `name` meet a full disk; those after it do not."""
    temporary = files.temporary
    due = [True]

    def choose(file: Path, ending: str = files.PART) -> Path:
        part = temporary(file, ending)
        if file.name == name and due[0]:
            due[0] = False
            part.symlink_to("/dev/full")
        return part

    monkeypatch.setattr(files, "temporary", choose)
