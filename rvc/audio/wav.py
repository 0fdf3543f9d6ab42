"""Where the samples of a WAV file lie, and where they really end, whatever its header claims.

Recorders that lose power, pipes, programs that write past 4 GB and broken downloads leave sizes
in a header that are 0, 0xFFFFFFFF, wrapped round or larger than the file. Here a claim is compared
with the bytes that are there, and the decoder is shown a file with a header that is right. What
serves other formats too
(`rvc.audio.header`) is here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rvc.audio import Part

RATES_HZ = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 37800, 40000, 44056, 44100, 48000}
RATES_HZ |= {50000, 64000, 88200, 96000, 176400, 192000, 352800, 384000}
PLACES = "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR".split()  # noqa: SIM905
BYTEWISE = (1, 3, 6, 7)  # WAV's tags whose frames all have one size: PCM, float, A-law, mu-law
WINDOW = 1 << 20  # bytes searched for a lost chunk
UNKNOWN = 0x7FFFF000  # sizes from here on are what pipes write
PIECE_S = 0.05  # bytes behind the end that would last longer are taken for sound
STARTS = (b"RIFF", b"RF64", b"BW64", b"FORM", b".snd", b"caff", b"riff")
BEHIND = {b"LIST", b"id3 ", b"ID3 ", b"fact", b"cue ", b"bext", b"iXML", b"smpl", b"inst"}
BEHIND |= {b"JUNK", b"junk", b"PAD ", b"FLLR", b"_PMX", b"plst", b"note", b"adtl", b"axml"}
BEHIND |= {b"chna", b"PEAK", b"DISP", b"acid", b"LGWV", b"minf", b"elm1", b"regn", b"umid"}
WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
HEADER, MOST_PACKED = 1 << 13, 1.2  # bytes; times the samples' own, in PAF


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


def holds_more(path: Path, file: Any) -> bool:
    """Whether a file is far longer than its header says, in formats without a `Part`."""
    width = 0 if file.format == "SDS" else WIDTHS.get(file.subtype, 0)  # which packs by 7 bits
    expected = file.frames * file.channels * width
    return bool(width and path.stat().st_size > HEADER + MOST_PACKED * expected)


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


def usual(rate: int) -> bool:
    """Whether sound is sampled so, in Hz; another rate may come from a damaged header."""
    return rate in RATES_HZ or (rate % 1000 == 0 and 4000 <= rate <= 400_000)


def wav(file: BinaryIO, start: int, size: int) -> Part | None:
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
    form = consistent(form, part) if tag in BYTEWISE else form
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


def consistent(form: bytes, part: Part) -> bytes:
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
