"""Tells whoever listens that something about the jobs may be new, from any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[], None]
_listeners: list[Listener] = []


def ring() -> None:
    """Something may be new."""
    for listener in tuple(_listeners):
        listener()


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Call `listener`, which returns at once, whenever something may be new."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
