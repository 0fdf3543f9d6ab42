"""How a long verb tells anybody how far it is: one callback, used by console, jobs and UI alike."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Called often and cheaply. Implementations may raise `Cancelled` to stop the verb."""

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """Say that `done` of `total` units of the current phase named `note` are finished."""


def silent(done: float, total: float, note: str = "") -> None:
    """A Report that tells nobody."""
