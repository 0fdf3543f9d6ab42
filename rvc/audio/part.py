"""One sound inside a file, and where its samples really end, whatever the header claims.

Recorders that lose power, pipes, programs that write past 4 GB and broken downloads leave sizes
in a header that are 0, 0xFFFFFFFF, wrapped round or larger than the file. Here a claim is compared
with the bytes that are there, and `View` shows the decoder a file with a header that is right.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO

WINDOW = 1 << 20  # bytes searched for a lost chunk
UNKNOWN = 0x7FFFF000  # sizes from here on are what pipes write
PIECE_S = 0.05  # bytes behind the end that would last longer are taken for sound
STARTS = (b"RIFF", b"RF64", b"BW64", b"FORM", b".snd", b"caff", b"riff")
BEHIND = {b"LIST", b"id3 ", b"ID3 ", b"fact", b"cue ", b"bext", b"iXML", b"smpl", b"inst"}
BEHIND |= {b"JUNK", b"junk", b"PAD ", b"FLLR", b"_PMX", b"plst", b"note", b"adtl", b"axml"}
BEHIND |= {b"chna", b"PEAK", b"DISP", b"acid", b"LGWV", b"minf", b"elm1", b"regn", b"umid"}


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


class View(io.RawIOBase):
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


def read(file: BinaryIO, at: int, count: int) -> bytes:
    """Bytes [at, at + count) of a file, fewer at its end."""
    file.seek(at)
    return file.read(count)


@dataclass
class Chunk:
    """A piece of a RIFF or IFF file: its name, where its body begins, the size it claims."""

    name: bytes
    body: int
    claimed: int


def _named(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def chunks(file: BinaryIO, at: int, size: int, order: str, last: bytes) -> dict[bytes, Chunk]:
    """Chunks from `at` on, `last` ending them; odd sizes without their pad byte are understood."""
    found: dict[bytes, Chunk] = {}
    while at + 8 <= size and last not in found:
        name, claimed = struct.unpack(f"{order}4sI", read(file, at, 8))
        if not _named(name):
            break
        found.setdefault(name, Chunk(name, at + 8, claimed))
        at += 8 + claimed
        if claimed % 2 and not _named(read(file, at, 4)):
            at += 1
    return found


def searched(file: BinaryIO, start: int, name: bytes, order: str) -> Chunk | None:
    """The chunk of this name where the sizes before it are damaged."""
    at = read(file, start, WINDOW).find(name)
    if at < 0:
        return None
    claimed = struct.unpack(f"{order}I", read(file, start + at + 4, 4))[0]
    return Chunk(name, start + at + 8, claimed)


def measure(
    file: BinaryIO, part: Part, claimed: int | None, size: int, frame: int, rate: int
) -> None:
    """Find where the samples of `part` end.

    Args:
        claimed: their bytes by the header, None when it says that it does not know.
        frame: bytes of a frame, 1 where they vary. rate: frames per second.
    """
    there = size - part.data
    part.stop = part.after = size
    if claimed == 0 and read(file, part.data, 4) in BEHIND | {b""}:
        part.stop = part.after = part.data
        return
    if not claimed or claimed == 0xFFFFFFFF or there < claimed in range(UNKNOWN, 1 << 32):
        part.notes.append("its header gives no length: it was read to its end")
    elif claimed > there:
        part.missing_s = (claimed - there) / (frame * rate)
    else:
        while there - claimed >= 1 << 32 and read(file, part.data + claimed, 4) not in BEHIND:
            claimed += 1 << 32  # the size has wrapped round
        part.stop = part.after = part.data + claimed
        behind = read(file, part.stop, 5)
        known = BEHIND | set(STARTS)
        if behind[:4] not in known and behind[1:] not in known:
            _longer(file, part, size, frame * rate)
    part.stop -= (part.stop - part.data) % frame


def _longer(file: BinaryIO, part: Part, size: int, per_second: int) -> None:
    """Take what lies behind the claimed end for sound, unless it is too little or a tag."""
    behind = read(file, part.stop, 1 << 16)
    rest = size - part.stop
    if rest >= PIECE_S * per_second and behind[:3] != b"TAG" and behind.strip(b"\0"):
        part.stop = part.after = size
        part.notes.append("it is longer than its header says: it was read to its end")


def pass_chunks(file: BinaryIO, part: Part, size: int, order: str) -> None:
    """Move `after` behind the chunks that follow the samples."""
    at = part.after
    if read(file, at, 4) not in BEHIND and read(file, at + 1, 4) in BEHIND:
        at += 1
    while at + 8 <= size and read(file, at, 4) in BEHIND:
        at += 8 + int(struct.unpack(f"{order}4xI", read(file, at, 8))[0])
        if read(file, at, 4) not in BEHIND | set(STARTS) and at % 2:
            at += 1
    part.after = min(at, size)
