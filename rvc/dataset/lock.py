"""One lock per voice in the making: who works on it keeps every other process and thread off.

The verbs, the stages they call and the start of jobs all use it. The thread that holds it may take
it again, so that create-voice can call its stages; processes that a stage starts do not take it.
The system gives it back when its process ends, however that ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rvc.config import named, paths
from rvc.errors import Busy

if TYPE_CHECKING:
    from filelock import BaseFileLock

WAIT_S = 0.5  # somebody may only be looking whether it is free


def _file_lock(name: str) -> BaseFileLock:
    """The same object for the same voice, so that its thread may take it again.

    It lies in the cache folder: a voice may not have a folder yet, or be about to lose it.
    """
    from filelock import FileLock  # not needed to print a help text

    folder = paths().cache / "locks"
    file = named(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{file}.lock", is_singleton=True)


@contextmanager
def hold(folder: Path | str) -> Iterator[None]:
    """Keep all others off the voice of an experiment's folder, or of that name.

    Raises:
        Busy: somebody else holds it. BadInput: no name for a voice.
    """
    name = Path(folder).name if isinstance(folder, Path) else folder
    lock = _file_lock(name)
    try:
        lock.acquire(timeout=WAIT_S)
    except TimeoutError:
        raise Busy(
            f"Another process is working on the voice {name!r}.", "Wait for it or stop it first."
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_held(name: str) -> bool:
    """Whether another process or thread works on the voice right now."""
    lock = _file_lock(name)
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        return True
    lock.release()
    return False
