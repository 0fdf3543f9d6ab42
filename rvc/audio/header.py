"""Where the samples of a WAV, AIFF, AU, W64 or CAF file lie: its header, held against its bytes.

What the header says wrongly is corrected and told. Nothing is sized by a number that was not
compared.
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO

from rvc.audio.part import STARTS, WINDOW, Part, chunks, measure, pass_chunks, read, searched

RATES_HZ = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 37800, 40000, 44056, 44100, 48000}
RATES_HZ |= {50000, 64000, 88200, 96000, 176400, 192000, 352800, 384000}
PLACES = "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR".split()  # noqa: SIM905
BYTEWISE = (1, 3, 6, 7)  # WAV's tags whose frames all have one size: PCM, float, A-law, mu-law
AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # of a sample, by AU's encodings
AIFC_PURE = {b"NONE", b"twos", b"sowt", b"raw ", b"fl32", b"FL32", b"fl64", b"FL64", b"in24"}
AIFC_PURE |= {b"in32", b"ulaw", b"ULAW", b"alaw", b"ALAW"}
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the names "fmt " and "data"


def parts(file: BinaryIO) -> list[Part]:
    """The sounds in a file of these kinds, in order; [] when it is of another kind."""
    found: list[Part] = []
    size, start = file.seek(0, 2), 0
    while start < size and (part := _part(file, start, size)) is not None:
        found.append(part)
        following = (at for at in (part.after, part.after + 1) if read(file, at, 4) in STARTS)
        start = next(following, size)
    return found


def usual(rate: int) -> bool:
    """Whether sound is sampled so, in Hz; another rate may come from a damaged header."""
    return rate in RATES_HZ or (rate % 1000 == 0 and 4000 <= rate <= 400_000)


def _part(file: BinaryIO, start: int, size: int) -> Part | None:
    magic = read(file, start, 16)
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


def _wav(file: BinaryIO, start: int, size: int) -> Part | None:
    found = chunks(file, start + 12, size, "<", b"data")
    data = found.get(b"data") or searched(file, start, b"data", "<")
    fmt = found.get(b"fmt ") or searched(file, start, b"fmt ", "<")
    if data is None or fmt is None or fmt.body > data.body:
        return None
    form = read(file, fmt.body, min(max(fmt.claimed, 16), 128))
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
        claimed = struct.unpack("<Q", read(file, found[b"ds64"].body + 8, 8))[0] or None
    if tag in BYTEWISE:
        measure(file, part, claimed, size, frame, rate)
    else:
        measure(file, part, claimed, size, 1, per_second)
    pass_chunks(file, part, size, "<")
    if extensible:
        part.layout = _places(struct.unpack("<I", form[20:24])[0], channels)
    fact = found.get(b"fact") if tag not in BYTEWISE else None
    kept = b"" if fact is None else read(file, fact.body, min(fact.claimed, 64))
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
        form = _consistent(form, part)
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
        return part
    wanted = None if not 4 < claimed < 1 << 62 else claimed - 4
    measure(file, part, wanted, size, frame, round(rate))
    head = bytearray(read(file, start, part.data - start))
    head[-12:-4] = struct.pack(">q", part.stop - part.data + 4)
    part.head = bytes(head)
    return part
