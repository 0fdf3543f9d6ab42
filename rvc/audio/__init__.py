"""Sound in and out: files, resampling, filters, spectra, slicing, effects.

Here is what reading a file gives: its head, pieces of sound, an account of what is not in them.
Nothing of a recording is lost in silence: what could not be read or had to be decided is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

import numpy as np

from rvc.errors import BadInput

LONGEST_S = 10  # silence comes in pieces of at most this length
MOST = 100  # losses told one by one
DAMAGED = "is damaged and became silence"
DAMAGED_END = "at the end is damaged and left out"
PLAYED = "is damaged"
HOLE = "is missing by the time stamps and became silence"
BROKEN = "may be missing: what follows does not join there"
BEGINNING = "before its beginning is no sound that can be read"
PAGES = "may be missing: parts of the file are damaged"
UNUSED = "may be missing: most of the file's bytes belong to no packet of sound"
JUMP = "may be missing: the time stamps jump"
ENDLESS = "may be missing at the end: the file ends before its stream does"
LONGER = "may be missing at the end: the file is far longer than its header says"
CUT = "is missing: the file ends before its header says"
NEAR_S = 0.5  # losses of one cause that lie closer together are told as one


class LossJson(TypedDict):
    """One loss in the JSON results."""

    at_s: float
    seconds: float | None
    why: str


@dataclass(frozen=True)
class Loss:
    """Sound that is not in what was read.

    Attributes:
        at_s: where in the sound that was read. seconds: how much, None where nobody knows.
        why: "is damaged", said after the amount.
    """

    at_s: float
    seconds: float | None
    why: str

    def __str__(self) -> str:
        amount = "an unknown amount" if self.seconds is None else f"{self.seconds:.2f} s"
        return f"at {self.at_s:.2f} s {amount} {self.why}"

    def json(self) -> LossJson:
        seconds = None if self.seconds is None else round(self.seconds, 3)
        return {"at_s": round(self.at_s, 3), "seconds": seconds, "why": self.why}


@dataclass
class Account:
    """Collects, in the order of the recording, what to tell whoever asked for it.

    Attributes:
        losses: sound that is missing or damaged, `MOST` of them at most.
        notes: decisions, such as which track was read. more: losses beyond `MOST`.
    """

    losses: list[Loss] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: int = 0

    def lose(self, at_s: float, seconds: float | None, why: str) -> None:
        """Enter a loss; neighbours of one cause become one."""
        last = self.losses[-1] if self.losses else None
        known = seconds is not None
        near = last is not None and at_s - last.at_s - (last.seconds or 0.0) <= NEAR_S
        if last is not None and near and last.why == why and (last.seconds is not None) == known:
            both = (last.seconds or 0.0) + (seconds or 0.0)
            self.losses[-1] = Loss(last.at_s, both if known else None, why)
            return
        if len(self.losses) < MOST:
            self.losses.append(Loss(at_s, seconds, why))
        else:
            self.more += 1

    def note(self, text: str) -> None:
        """Enter a decision, once."""
        if text not in self.notes:
            self.notes.append(text)

    def sentences(self) -> list[str]:
        """Each thing to tell as one line; empty when all was read as it was."""
        return [str(loss) for loss in self.losses] + self.remarks()

    def remarks(self) -> list[str]:
        """All that is not one of `losses`."""
        more = [f"{self.more} more places are lost or damaged"] if self.more else []
        return more + self.notes

    def json(self) -> list[LossJson]:
        """The losses for a JSON result."""
        return [loss.json() for loss in self.losses]


@dataclass(frozen=True)
class Info:
    """What a file's header says. Where `exact` is false `frames` is only a claim, and reading
    from the middle decodes all that is before."""

    rate: int
    channels: int
    frames: int
    format: str
    codec: str
    bits: int
    exact: bool = True

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


@dataclass(frozen=True)
class Decoded:
    """A piece (T, C) float32 as it was decoded, its rate in Hz and the channels' places.

    `at` is the position of its first frame where reading did not begin at the beginning.
    """

    wave: np.ndarray
    rate: int
    layout: tuple[str, ...]
    at: int = 0

    @property
    def seconds(self) -> float:
        return len(self.wave) / self.rate

    def silence(self, seconds: float) -> Iterator[Decoded]:
        """So much silence in this piece's rate and channels."""
        left = round(seconds * self.rate)
        while left > 0:
            size = min(left, LONGEST_S * self.rate)
            left -= size
            silent = np.zeros((size, self.wave.shape[1]), np.float32)
            yield Decoded(silent, self.rate, self.layout)


def unreadable(path: Path, error: Exception) -> BadInput:
    """The sentence for a file that no decoder knows."""
    cause = getattr(error, "strerror", None) or getattr(error, "error_string", None) or error
    return BadInput(
        f"{path} is not audio that can be read ({str(cause).strip('. ')}).",
        "Use WAV, FLAC, MP3, OGG, OPUS, M4A, AAC, MP4 or WebM.",
    )


def no_track(path: Path, wanted: int, count: int, named: str) -> BadInput:
    """The sentence for a track that a file does not have."""
    tracks = "1 audio track" if count == 1 else f"{count} audio tracks"
    hint = f"Leave out --track, or choose one of {named}." if named else "Leave out --track."
    return BadInput(f"{path} has {tracks}, there is no track {wanted}.", hint)


@dataclass
class Part:
    """One sound inside a file.

    Attributes:
        start: its first byte. data, stop: its samples. after: where another sound may begin.
        head: shown to the decoder in place of what lies before `data`; None leaves all as it is.
        layout: places of the channels, () when the header names none.
        missing_s: claimed by the header and not there.
        notes: what the header said wrongly.
    """

    start: int
    data: int
    stop: int
    after: int
    head: bytes | None = None
    layout: tuple[str, ...] = ()
    missing_s: float = 0.0
    notes: list[str] = field(default_factory=list)


class View(RawIOBase):
    """A part as a file of its own: its head, then its samples."""

    def __init__(self, file: BinaryIO, part: Part) -> None:
        super().__init__()
        self.file = file
        self.head = b"" if part.head is None else part.head
        self.first = part.start if part.head is None else part.data
        stop = part.after if part.head is None else part.stop
        self.length = len(self.head) + stop - self.first
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = max(0, offset + (0, self.at, self.length)[whence])
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, into: Any) -> int:
        view = memoryview(into).cast("B")
        size = min(len(view), self.length - self.at)
        if size <= 0:
            return 0
        if self.at < len(self.head):
            made = self.head[self.at : self.at + size]
        else:
            self.file.seek(self.first + self.at - len(self.head))
            made = self.file.read(size)
        view[: len(made)] = made
        self.at += len(made)
        return len(made)
