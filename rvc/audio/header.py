"""Where the samples of an AIFF, AU, W64 or CAF file lie: its header, held against its bytes.

What the header says wrongly is corrected and told. Nothing is sized by a number that was not
compared.
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO

from rvc.audio import Part
from rvc.audio.wav import (
    BYTEWISE,
    WINDOW,
    chunks,
    consistent,
    measure,
    pass_chunks,
    read,
    searched,
)

AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # of a sample, by AU's encodings
AIFC_PURE = {b"NONE", b"twos", b"sowt", b"raw ", b"fl32", b"FL32", b"fl64", b"FL64", b"in24"}
AIFC_PURE |= {b"in32", b"ulaw", b"ULAW", b"alaw", b"ALAW"}
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the names "fmt " and "data"


def part(file: BinaryIO, start: int, size: int) -> Part | None:
    """The sound of one of these kinds that begins at `start`; None where there is none.

    Raises:
        struct.error: the file ends within its header.
    """
    magic = read(file, start, 16)
    if magic[:4] == b"FORM" and magic[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file, start, size)
    if magic[:4] == b".snd":
        return _au(file, start, size)
    if magic == W64_RIFF:
        return _w64(file, start, size)
    return _caf(file, start, size) if magic[:4] == b"caff" else None


def _aiff(file: BinaryIO, start: int, size: int) -> Part | None:
    found = chunks(file, start + 12, size, ">", b"")
    sound = found.get(b"SSND") or searched(file, start, b"SSND", ">")
    common = found.get(b"COMM") or searched(file, start, b"COMM", ">")
    if sound is None or common is None:
        return None
    form = read(file, common.body, min(max(common.claimed, 18), 300))
    channels, frames, bits = struct.unpack(">hIh", form[:8])
    coding = form[18:22] or b"NONE"
    rate = _float80(form[8:18])
    skipped = struct.unpack(">I", read(file, sound.body, 4))[0]
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
    measure(file, part, claimed, size, frame, round(rate))
    pass_chunks(file, part, size, ">")
    length = part.stop - part.data
    form = form[:2] + struct.pack(">I", length // frame) + form[6:]
    inner = struct.pack(">4sI", b"COMM", len(form)) + form + b"\0" * (len(form) % 2)
    inner += struct.pack(">4sIII", b"SSND", min(length + 8, 0xFFFFFFFF), 0, 0)
    kind = read(file, start + 8, 4)
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
    end = start + 8 + int(struct.unpack(f"{order}I", read(file, start + 4, 4))[0])
    return end if start + 12 < end <= size else size


def _au(file: BinaryIO, start: int, size: int) -> Part | None:
    head = read(file, start, 24)
    offset, claimed, coding, rate, channels = struct.unpack(">4xIIIII", head)
    if not 24 <= offset <= WINDOW or not rate or not channels or start + offset > size:
        return None
    part = Part(start, start + offset, size, size)
    width = AU_BYTES.get(coding, 0)
    if not width:
        return part
    measure(file, part, claimed, size, width * channels, rate)
    length = min(part.stop - part.data, 0xFFFFFFFF)
    whole = read(file, start, offset)
    part.head = whole[:8] + struct.pack(">I", length) + whole[12:]
    return part


def _w64(file: BinaryIO, start: int, size: int) -> Part | None:
    at, form, form_at = start + 40, b"", 0
    while at + 24 <= size:
        name, claimed = read(file, at, 16), struct.unpack("<Q", read(file, at + 16, 8))[0]
        if name == b"fmt " + W64_TAIL:
            form, form_at = read(file, at + 24, 16), at + 24 - start
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
        form = consistent(form, part)
        rate, per_second, frame = struct.unpack("<4xIIH2x", form)
    wanted = None if not 24 < claimed < 1 << 62 else claimed - 24
    measure(file, part, wanted, size, frame if pure else 1, rate if pure else per_second)
    length = part.stop - part.data
    head = bytearray(read(file, start, part.data - start))
    head[form_at : form_at + 16] = form
    head[16:24] = struct.pack("<Q", len(head) + length)
    head[-8:] = struct.pack("<Q", length + 24)
    part.head = bytes(head)
    return part


def _caf(file: BinaryIO, start: int, size: int) -> Part | None:
    at, form = start + 8, b""
    while at + 12 <= size:
        name, claimed = struct.unpack(">4sq", read(file, at, 12))
        if name == b"desc":
            form = read(file, at + 12, 32)
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
        part.stop = part.after = _caf_end(file, at, size)
        return part
    wanted = None if not 4 < claimed < 1 << 62 else claimed - 4
    measure(file, part, wanted, size, frame, round(rate))
    head = bytearray(read(file, start, part.data - start))
    head[-12:-4] = struct.pack(">q", part.stop - part.data + 4)
    part.head = bytes(head)
    return part


def _caf_end(file: BinaryIO, at: int, size: int) -> int:
    """Where the chunks end that begin at `at`, or another file begins."""
    while at + 12 <= size and b"caff" not in read(file, at, 5):  # with or without a pad byte
        claimed = struct.unpack(">4xq", read(file, at, 12))[0]
        if not 0 <= claimed <= size - at - 12:
            return size
        at += 12 + claimed
    return at
