"""Frames of MP3 and ADTS streams, found by their own headers: what is no frame was damaged.

Such a file is a row of frames and nothing else says how long it is, so they are walked through
one by one. Between them may lie tags, and other bytes, which are handed out as what they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

Kind = Literal["mp3", "aac"]
KBITS = {  # by (MPEG 1 or 2, layer)
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MPEG_HZ = (44100, 48000, 32000)
ADTS_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
HEAD = 7  # bytes that hold a frame's header
WINDOW = 1 << 18  # bytes read at a time
USUAL_SKIP = 1105  # samples that most encoders put in front
LONGEST = 1 << 14  # no frame is longer


@dataclass(frozen=True)
class Head:
    """What a frame's header says.

    Attributes:
        size: of the frame in bytes. samples: it lasts. coding: what does not change in a stream.
    """

    size: int
    samples: int
    rate: int
    channels: int
    coding: tuple[int, ...]

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


@dataclass(frozen=True)
class Stretch:
    """A stretch of the file: a frame with its header, or bytes that are none.

    Attributes:
        raw: the bytes; of a tag nothing. whole: the frame is complete and something follows it.
    """

    raw: bytes
    head: Head | None
    tag: bool = False
    whole: bool = True


def head_of(kind: Kind, raw: bytes, at: int = 0) -> Head | None:
    """The header of the frame that begins at `at`; None when none does."""
    if len(raw) < at + HEAD or raw[at] != 0xFF or raw[at + 1] < 0xE0:
        return None
    return _mpeg(raw, at) if kind == "mp3" else _adts(raw, at)


def _mpeg(raw: bytes, at: int) -> Head | None:
    """ISO 11172-3 2.4.1.3 and 13818-3 2.4.1.3; version 2.5 is an extension to lower rates."""
    second, third = raw[at + 1], raw[at + 2]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bitrate, rate, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if version == 1 or layer == 4 or not 0 < bitrate < 15 or rate == 3:
        return None
    kbit = KBITS[1 if version == 3 else 2, layer][bitrate - 1]
    hz = MPEG_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = {1: 384, 2: 1152, 3: 1152 if version == 3 else 576}[layer]
    unit = 4 if layer == 1 else 1
    size = (samples // 8 * 1000 * kbit // hz // unit + padding) * unit
    return Head(size, samples, hz, 1 if raw[at + 3] >> 6 == 3 else 2, (version, layer, rate))


def _adts(raw: bytes, at: int) -> Head | None:
    """ISO 13818-7 6.2."""
    if raw[at + 1] & 0xF6 != 0xF0:
        return None
    rate = raw[at + 2] >> 2 & 15
    size = (raw[at + 3] & 3) << 11 | raw[at + 4] << 3 | raw[at + 5] >> 5
    channels = (raw[at + 2] & 1) << 2 | raw[at + 3] >> 6
    if rate >= len(ADTS_HZ) or size <= HEAD:
        return None
    samples = 1024 * ((raw[at + 6] & 3) + 1)
    return Head(size, samples, ADTS_HZ[rate], channels, (raw[at + 2] >> 6, rate))


class _Bytes:
    """A file as a window that moves forward."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.at, self.held = file, 0, b""

    def see(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer at the end only."""
        if not self.at <= offset <= offset + count <= self.at + len(self.held):
            self.file.seek(offset)
            self.at, self.held = offset, self.file.read(max(WINDOW, count))
        return self.held[offset - self.at : offset - self.at + count]


def walk(file: BinaryIO, kind: Kind) -> Iterator[Stretch]:
    """Every byte of the file, in order: frames, tags and what is neither."""
    data, at, size = _Bytes(file), 0, file.seek(0, 2)
    coding: tuple[int, ...] | None = None  # of the frame before, when this place follows it
    while at < size:
        if tagged := _tag(data.see(at, 32)):
            yield Stretch(b"", None, tag=True)
            at += tagged
            continue
        head = head_of(kind, data.see(at, HEAD))
        end = at + head.size if head else at
        if head is None or not (coding == head.coding or _confirmed(data, end, kind, head, size)):
            found = _next(data, at + 1, kind, size)
            yield Stretch(data.see(at, min(found - at, LONGEST)), None)
            for more in range(at + LONGEST, found, LONGEST):
                yield Stretch(data.see(more, min(found - more, LONGEST)), None)
            at, coding = found, None
            continue
        whole = end <= size and _confirmed(data, end, kind, head, size)
        if not whole:  # its length may be what is damaged
            end = min(end, _next(data, at + HEAD, kind, size))
        yield Stretch(data.see(at, min(end, size) - at), head, whole=whole)
        at, coding = end, head.coding


def _confirmed(data: _Bytes, at: int, kind: Kind, head: Head, size: int) -> bool:
    """Whether something that may follow a frame begins at `at`."""
    if at >= size:
        return True
    raw = data.see(at, 32)
    follows = head_of(kind, raw)
    return bool(_tag(raw)) or (follows is not None and follows.coding[:-1] == head.coding[:-1])


def _next(data: _Bytes, at: int, kind: Kind, size: int) -> int:
    """Where the next frame or tag begins, from `at` on."""
    while at < size:
        raw = data.see(at, WINDOW // 4)
        for offset in _candidates(raw):
            head = head_of(kind, data.see(at + offset, HEAD))
            end = at + offset + head.size if head else 0
            if head and end <= size and _confirmed(data, end, kind, head, size):
                return at + offset
            if head is None and _tag(data.see(at + offset, 32)):
                return at + offset
        at += len(raw)
    return size


def _candidates(raw: bytes) -> Iterator[int]:
    """Places where a header or a tag may begin."""
    places = {raw.find(name) for name in (b"ID3", b"APETAGEX", b"TAG")} - {-1}
    at = raw.find(b"\xff")
    while at >= 0:
        places.add(at)
        at = raw.find(b"\xff", at + 1)
    yield from sorted(places)


def _tag(raw: bytes) -> int:
    """Bytes of the tag that begins here, 0 when none does."""
    if raw[:3] == b"ID3" and len(raw) >= 10 and max(raw[6:10]) < 128:
        size = sum(byte << shift for byte, shift in zip(raw[6:10], (21, 14, 7, 0), strict=True))
        return 10 + size + (10 if raw[5] & 16 else 0)
    if raw[:8] == b"APETAGEX" and len(raw) >= 24:
        size, flags = struct.unpack("<I4xI", raw[12:24])
        return 32 + (int(size) if flags >> 29 & 1 else 0)
    if raw[:3] == b"TAG":
        return 128
    return 0


@dataclass(frozen=True)
class Xing:
    """What an MP3 encoder says of the frames that follow: how many, and what it padded."""

    frames: int
    skip: int
    pad: int


def xing(raw: bytes, head: Head) -> Xing | None:
    """The frame's content when it holds such a header in place of sound."""
    mpeg1, mono = head.coding[0] == 3, head.channels == 1
    if head.coding[1] != 3:
        return None
    at = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))
    if raw[36:40] == b"VBRI":
        return Xing(struct.unpack(">I", raw[50:54])[0] if len(raw) >= 54 else 0, 0, 0)
    if raw[at : at + 4] not in (b"Xing", b"Info") or len(raw) < at + 8:
        written = any(name in raw[:200] for name in (b"Xing", b"Info", b"LAME", b"Lavc", b"Lavf"))
        return Xing(0, USUAL_SKIP, 0) if written and not any(raw[5:at]) else None
    flags = struct.unpack(">I", raw[at + 4 : at + 8])[0]
    frames = struct.unpack(">I", raw[at + 8 : at + 12])[0] if flags & 1 and len(raw) > 12 else 0
    tool = at + 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags >> 3 & 1) * 4
    made = raw[tool + 21 : tool + 24]
    if len(made) < 3 or raw[tool : tool + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return Xing(frames, 0, 0)
    delay, padding = made[0] << 4 | made[1] >> 4, (made[1] & 15) << 8 | made[2]
    return Xing(frames, delay + 529, max(0, padding - 529))
