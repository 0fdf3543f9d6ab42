"""Where the samples of a WAV, AIFF, AU, W64 or CAF file really are, whatever its header claims.

Recorders that lose power, pipes, programs that write past 4 GB and broken downloads leave sizes
in a header that are 0, 0xFFFFFFFF, wrapped round or larger than the file. Here the header is
compared with the bytes that are there; where they disagree `View` shows the decoder a file with
a header that is right. Nothing is sized by a number that was not compared.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO

WINDOW = 1 << 20  # bytes searched for a lost chunk
UNKNOWN = 0x7FFFF000  # sizes from here on are what pipes write
PIECE_S = 0.05  # bytes behind the end that would last longer are taken for sound
RATES_HZ = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 37800, 40000, 44056, 44100, 48000}
RATES_HZ |= {50000, 64000, 88200, 96000, 176400, 192000, 352800, 384000}
PLACES = "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR".split()  # noqa: SIM905
BYTEWISE = (1, 3, 6, 7)  # WAV's tags whose frames all have one size: PCM, float, A-law, mu-law
AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # of a sample, by AU's encodings
AIFC_PURE = {b"NONE", b"twos", b"sowt", b"raw ", b"fl32", b"FL32", b"fl64", b"FL64", b"in24"}
AIFC_PURE |= {b"in32", b"ulaw", b"ULAW", b"alaw", b"ALAW"}
STARTS = (b"RIFF", b"RF64", b"BW64", b"FORM", b".snd", b"caff", b"riff")
BEHIND = {b"LIST", b"id3 ", b"ID3 ", b"fact", b"cue ", b"bext", b"iXML", b"smpl", b"inst"}
BEHIND |= {b"JUNK", b"junk", b"PAD ", b"FLLR", b"_PMX", b"plst", b"note", b"adtl", b"axml"}
BEHIND |= {b"chna", b"PEAK", b"DISP", b"acid", b"LGWV", b"minf", b"elm1", b"regn", b"umid"}
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the names "fmt " and "data"


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


def parts(file: BinaryIO) -> list[Part]:
    """The sounds in a file of these kinds, in order; [] when it is of another kind."""
    found: list[Part] = []
    size, start = file.seek(0, 2), 0
    while start < size and (part := _part(file, start, size)) is not None:
        found.append(part)
        following = (at for at in (part.after, part.after + 1) if _read(file, at, 4) in STARTS)
        start = next(following, size)
    return found


def usual(rate: int) -> bool:
    """Whether sound is sampled so, in Hz; another rate may come from a damaged header."""
    return rate in RATES_HZ or (rate % 1000 == 0 and 4000 <= rate <= 400_000)


def _part(file: BinaryIO, start: int, size: int) -> Part | None:
    magic = _read(file, start, 16)
    try:
        if magic[:4] in (b"RIFF", b"RF64", b"BW64") and magic[8:12] == b"WAVE":
            return _wav(file, start, size)
        if magic[:4] == b"FORM" and magic[8:12] in (b"AIFF", b"AIFC"):
            return _aiff(file, start, size)
        if magic[:4] == b".snd":
            return _au(file, start, size)
        if magic == W64_RIFF:
            return _w64(file, start, size)
        if magic[:4] == b"caff":
            return _caf(file, start, size)
    except struct.error:  # it ends within its header
        return None
    return None


def _read(file: BinaryIO, at: int, count: int) -> bytes:
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


def _chunks(file: BinaryIO, at: int, size: int, order: str, last: bytes) -> dict[bytes, Chunk]:
    """Chunks from `at` on, `last` ending them; odd sizes without their pad byte are understood."""
    found: dict[bytes, Chunk] = {}
    while at + 8 <= size and last not in found:
        name, claimed = struct.unpack(f"{order}4sI", _read(file, at, 8))
        if not _named(name):
            break
        found.setdefault(name, Chunk(name, at + 8, claimed))
        at += 8 + claimed
        if claimed % 2 and not _named(_read(file, at, 4)):
            at += 1
    return found


def _searched(file: BinaryIO, start: int, name: bytes, order: str) -> Chunk | None:
    """The chunk of this name where the sizes before it are damaged."""
    at = _read(file, start, WINDOW).find(name)
    if at < 0:
        return None
    claimed = struct.unpack(f"{order}I", _read(file, start + at + 4, 4))[0]
    return Chunk(name, start + at + 8, claimed)


def _measure(
    file: BinaryIO, part: Part, claimed: int | None, size: int, frame: int, rate: int
) -> None:
    """Find where the samples of `part` end.

    Args:
        claimed: their bytes by the header, None when it says that it does not know.
        frame: bytes of a frame, 1 where they vary. rate: frames per second.
    """
    there = size - part.data
    part.stop = part.after = size
    if claimed == 0 and _read(file, part.data, 4) in BEHIND | {b""}:
        part.stop = part.after = part.data
        return
    if not claimed or claimed == 0xFFFFFFFF or there < claimed in range(UNKNOWN, 1 << 32):
        part.notes.append("its header gives no length: it was read to its end")
    elif claimed > there:
        part.missing_s = (claimed - there) / (frame * rate)
    else:
        while there - claimed >= 1 << 32 and _read(file, part.data + claimed, 4) not in BEHIND:
            claimed += 1 << 32  # the size has wrapped round
        part.stop = part.after = part.data + claimed
        behind = _read(file, part.stop, 5)
        known = BEHIND | set(STARTS)
        if behind[:4] not in known and behind[1:] not in known:
            _longer(file, part, size, frame * rate)
    part.stop -= (part.stop - part.data) % frame


def _longer(file: BinaryIO, part: Part, size: int, per_second: int) -> None:
    """Take what lies behind the claimed end for sound, unless it is too little or a tag."""
    behind = _read(file, part.stop, 1 << 16)
    rest = size - part.stop
    if rest >= PIECE_S * per_second and behind[:3] != b"TAG" and behind.strip(b"\0"):
        part.stop = part.after = size
        part.notes.append("it is longer than its header says: it was read to its end")


def _behind(file: BinaryIO, part: Part, size: int, order: str) -> None:
    """Move `after` behind the chunks that follow the samples."""
    at = part.after
    if _read(file, at, 4) not in BEHIND and _read(file, at + 1, 4) in BEHIND:
        at += 1
    while at + 8 <= size and _read(file, at, 4) in BEHIND:
        at += 8 + int(struct.unpack(f"{order}4xI", _read(file, at, 8))[0])
        if _read(file, at, 4) not in BEHIND | set(STARTS) and at % 2:
            at += 1
    part.after = min(at, size)


def _wav(file: BinaryIO, start: int, size: int) -> Part | None:
    found = _chunks(file, start + 12, size, "<", b"data")
    data = found.get(b"data") or _searched(file, start, b"data", "<")
    fmt = found.get(b"fmt ") or _searched(file, start, b"fmt ", "<")
    if data is None or fmt is None or fmt.body > data.body:
        return None
    form = _read(file, fmt.body, min(max(fmt.claimed, 16), 128))
    tag, channels = struct.unpack("<HH", form[:4])
    extensible = tag == 0xFFFE and len(form) >= 40
    tag = struct.unpack("<H", form[24:26])[0] if extensible else tag
    part = Part(start, data.body, size, size)
    form = _consistent(form, part) if tag in BYTEWISE else form
    channels, rate, per_second, frame = struct.unpack("<HIIH", form[2:14])
    if not channels or not rate or not frame or not per_second:
        return None
    claimed: int | None = data.claimed
    if b"ds64" in found and claimed in (0, 0xFFFFFFFF):
        claimed = struct.unpack("<Q", _read(file, found[b"ds64"].body + 8, 8))[0] or None
    if tag in BYTEWISE:
        _measure(file, part, claimed, size, frame, rate)
    else:
        _measure(file, part, claimed, size, 1, per_second)
    _behind(file, part, size, "<")
    if extensible:
        part.layout = _places(struct.unpack("<I", form[20:24])[0], channels)
    fact = found.get(b"fact") if tag not in BYTEWISE else None
    kept = b"" if fact is None else _read(file, fact.body, min(fact.claimed, 64))
    part.head = _wav_head(form, kept, part.stop - part.data)
    return part


def _consistent(form: bytes, part: Part) -> bytes:
    """A WAV format whose numbers agree: rate, frame and bytes per second tell one thing twice."""
    tag, channels, rate, per_second, frame, bits = struct.unpack("<HHIIHH", form[:16])
    width = -(-bits // 8)
    if frame * rate == per_second and channels * width == frame:
        return form
    if width and channels * width != frame and frame * rate == per_second and not frame % width:
        channels = frame // width
    elif channels * width == frame and per_second % frame == 0 and rate not in RATES_HZ:
        rate = per_second // frame if per_second // frame in RATES_HZ else rate
    elif channels * width * rate == per_second:
        frame = channels * width
    part.notes.append(
        f"its header contradicts itself: it was read with {channels} channel(s) at {rate} Hz"
    )
    return struct.pack("<HHIIHH", tag, channels, rate, frame * rate, frame, bits) + form[16:]


def _places(mask: int, channels: int) -> tuple[str, ...]:
    named = tuple(name for bit, name in enumerate(PLACES) if mask >> bit & 1)
    return named if len(named) == channels else ()


def _wav_head(form: bytes, fact: bytes, length: int) -> bytes:
    """A header for `length` bytes of samples; RF64 where 32 bits do not hold them."""
    inner = struct.pack("<4sI", b"fmt ", len(form)) + form + b"\0" * (len(form) % 2)
    if fact:
        inner += struct.pack("<4sI", b"fact", len(fact)) + fact + b"\0" * (len(fact) % 2)
    total = 4 + len(inner) + 8 + length
    if total < 0xFFFFFFFF:
        data = struct.pack("<4sI", b"data", length)
        return struct.pack("<4sI4s", b"RIFF", total, b"WAVE") + inner + data
    frame = struct.unpack("<H", form[12:14])[0]
    big = struct.pack("<4sIQQQI", b"ds64", 28, total + 36, length, length // frame, 0)
    data = struct.pack("<4sI", b"data", 0xFFFFFFFF)
    return struct.pack("<4sI4s", b"RF64", 0xFFFFFFFF, b"WAVE") + big + inner + data


def _aiff(file: BinaryIO, start: int, size: int) -> Part | None:
    found = _chunks(file, start + 12, size, ">", b"")
    sound = found.get(b"SSND") or _searched(file, start, b"SSND", ">")
    common = found.get(b"COMM") or _searched(file, start, b"COMM", ">")
    if sound is None or common is None:
        return None
    form = _read(file, common.body, min(max(common.claimed, 18), 300))
    channels, frames, bits = struct.unpack(">hIh", form[:8])
    coding = form[18:22] or b"NONE"
    rate = _float80(form[8:18])
    skipped = struct.unpack(">I", _read(file, sound.body, 4))[0]
    part = Part(start, sound.body + 8 + skipped, size, size)
    if channels < 1 or bits < 1 or not 1 <= rate < 1e7 or coding not in AIFC_PURE:
        part.after = _riff_end(file, start, size, ">")
        part.stop = part.after
        return part
    frame = channels * -(-bits // 8)
    by_chunk = max(0, sound.claimed - 8 - skipped)
    claimed = min(by_chunk, frames * frame) if by_chunk and frames else by_chunk or frames * frame
    if abs(by_chunk - frames * frame) > 1 and by_chunk and frames:
        claimed = max(by_chunk, frames * frame)
        part.notes.append("its header contradicts itself: it was read to the end of its samples")
    _measure(file, part, claimed, size, frame, round(rate))
    _behind(file, part, size, ">")
    length = part.stop - part.data
    form = form[:2] + struct.pack(">I", length // frame) + form[6:]
    inner = struct.pack(">4sI", b"COMM", len(form)) + form + b"\0" * (len(form) % 2)
    inner += struct.pack(">4sIII", b"SSND", min(length + 8, 0xFFFFFFFF), 0, 0)
    kind = _read(file, start + 8, 4)
    part.head = struct.pack(">4sI4s", b"FORM", min(4 + len(inner) + length, 0xFFFFFFFF), kind)
    part.head += inner
    return part


def _float80(raw: bytes) -> float:
    """The value of an 80-bit float, as AIFF gives its rate."""
    exponent, fraction = struct.unpack(">HQ", raw)
    if exponent & 0x7FFF > 16383 + 40:
        return 0.0
    return math.ldexp(fraction, (exponent & 0x7FFF) - 16383 - 63)


def _riff_end(file: BinaryIO, start: int, size: int, order: str) -> int:
    end = start + 8 + int(struct.unpack(f"{order}I", _read(file, start + 4, 4))[0])
    return end if start + 12 < end <= size else size


def _au(file: BinaryIO, start: int, size: int) -> Part | None:
    head = _read(file, start, 24)
    offset, claimed, coding, rate, channels = struct.unpack(">4xIIIII", head)
    if not 24 <= offset <= WINDOW or not rate or not channels or start + offset > size:
        return None
    part = Part(start, start + offset, size, size)
    width = AU_BYTES.get(coding, 0)
    if not width:
        return part
    _measure(file, part, claimed, size, width * channels, rate)
    length = min(part.stop - part.data, 0xFFFFFFFF)
    whole = _read(file, start, offset)
    part.head = whole[:8] + struct.pack(">I", length) + whole[12:]
    return part


def _w64(file: BinaryIO, start: int, size: int) -> Part | None:
    at, form, form_at = start + 40, b"", 0
    while at + 24 <= size:
        name, claimed = _read(file, at, 16), struct.unpack("<Q", _read(file, at + 16, 8))[0]
        if name == b"fmt " + W64_TAIL:
            form, form_at = _read(file, at + 24, 16), at + 24 - start
        elif name == b"data" + W64_TAIL and form:
            break
        if not 24 <= claimed < WINDOW:
            return None
        at += (claimed + 7) // 8 * 8
    else:
        return None
    tag, rate, per_second, frame = struct.unpack("<H2xIIH2x", form)
    part = Part(start, at + 24, size, size)
    if not rate or not frame or not per_second:
        return part
    pure = tag in (*BYTEWISE, 0xFFFE)
    if tag in BYTEWISE:
        form = _consistent(form, part)
        rate, per_second, frame = struct.unpack("<4xIIH2x", form)
    wanted = None if not 24 < claimed < 1 << 62 else claimed - 24
    _measure(file, part, wanted, size, frame if pure else 1, rate if pure else per_second)
    length = part.stop - part.data
    head = bytearray(_read(file, start, part.data - start))
    head[form_at : form_at + 16] = form
    head[16:24] = struct.pack("<Q", len(head) + length)
    head[-8:] = struct.pack("<Q", length + 24)
    part.head = bytes(head)
    return part


def _caf(file: BinaryIO, start: int, size: int) -> Part | None:
    at, form = start + 8, b""
    while at + 12 <= size:
        name, claimed = struct.unpack(">4sq", _read(file, at, 12))
        if name == b"desc":
            form = _read(file, at + 12, 32)
        elif name == b"data" and form:
            break
        if not 0 <= claimed < WINDOW:
            return None
        at += 12 + claimed
    else:
        return None
    rate, coding, frame = struct.unpack(">d4s4xI", form[:20])
    part = Part(start, at + 16, size, size)
    if coding not in (b"lpcm", b"ulaw", b"alaw") or not frame or not 1 <= rate < 1e7:
        return part
    wanted = None if not 4 < claimed < 1 << 62 else claimed - 4
    _measure(file, part, wanted, size, frame, round(rate))
    head = bytearray(_read(file, start, part.data - start))
    head[-12:-4] = struct.pack(">q", part.stop - part.data + 4)
    part.head = bytes(head)
    return part
