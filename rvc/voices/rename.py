"""The verb `rename-voice`: another name for a voice, and for all that is called after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rvc import Report, config, params, silent
from rvc.dataset import lock
from rvc.errors import BadInput
from rvc.voices import trash


def run(p: params.RenameVoice, report: Report = silent) -> dict[str, Any]:
    """Move logs/<old> to logs/<new>, and its files of the old name with it.

    What lies loose in logs gets a folder of its own. A training of the voice can go on.

    Raises:
        BadInput: no such voice, or the new name is taken. Busy: somebody works on one of both.
    """
    old, new = config.experiment(p.model_name), config.experiment(p.new_name)
    if old == new:
        raise BadInput(f"{new.name} is its name already.", "Give another name.")
    with lock.hold(new):
        found = trash.parts(old.name)
        if new.exists() and not (old.exists() and new.samefile(old)):  # anna -> Anna
            raise BadInput(f"There is a {new.name} in logs already.", "Choose another name.")
        if found == [old]:
            old.rename(new)
        else:
            new.mkdir()
            for file in found:
                file.rename(new / file.name)
        for file in sorted(new.iterdir()):
            if file.is_file() and (name := _renamed(file, old.name, new.name)):
                file.rename(new / name)
    return {"message": f"{old.name} is called {new.name} now.", "name": new.name}


def _renamed(file: Path, old: str, new: str) -> str:
    """The new name of a file called after its voice; "" for others."""
    rest = file.name.removeprefix(old)
    after = rest[:1] in (".", "_") and rest != file.name  # anna.pth, anna_3e_12s.pth, not annabel
    return f"{new}{rest}" if after else ""
