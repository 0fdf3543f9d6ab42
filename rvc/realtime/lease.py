"""Only one live session at a time on a machine, and everybody can see whose it is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rvc import files
from rvc.config import paths
from rvc.errors import Busy

POLITE, URGENT = 10, -5  # niceness of other jobs meanwhile, and of the session where it may


def _file() -> Path:
    return paths().cache / "locks" / "live.json"


def _lock() -> Any:
    from filelock import FileLock

    _file().parent.mkdir(parents=True, exist_ok=True)
    return FileLock(_file().with_suffix(".lock"))


@contextmanager
def held(voice: str) -> Iterator[None]:
    """While it is held nobody else goes live.

    Raises:
        Busy: somebody is live already; says who.
    """
    lock = _lock()
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        raise Busy(_taken(), "Stop that session first.") from None
    try:
        files.write_json(_file(), {"pid": os.getpid(), "voice": voice, "since_s": time.time()})
        yield
    finally:
        _file().unlink(missing_ok=True)
        lock.release()


def _taken() -> str:
    try:
        holder = files.read_json(_file())
        since = time.strftime("%H:%M", time.localtime(holder["since_s"]))
        return f"Process {holder['pid']} is live since {since} with the voice {holder['voice']}."
    except (OSError, ValueError, KeyError, TypeError):
        return "Another process is live."


def is_held() -> bool:
    """Whether somebody on this machine is live right now."""
    lock = _lock()
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        return True
    lock.release()
    return False


def hurry() -> None:
    """Let this process go first, where the system allows it."""
    with suppress(OSError, AttributeError):
        os.nice(URGENT)


def give_way() -> None:
    """Let a live session go first, where there is one."""
    with suppress(OSError, AttributeError):
        if is_held():
            os.nice(POLITE)
