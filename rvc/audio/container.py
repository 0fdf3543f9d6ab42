"""Whether a container is complete, and where another one begins behind it.

Told by its outer sizes, and of Ogg by its pages.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from rvc.audio import flac

ASF_HEAD = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
MAGICS = {"asf": ASF_HEAD, "amr": b"#!AMR\n", "tta": b"TTA1\1\0", "flv": b"FLV\1"}
WINDOW = 1 << 20
WAVPACK_HEAD, WAVPACK_FIRST = 32, 1 << 11  # bytes; flag of the first block of some samples
TS_BYTES = {0: 188, 4: 192}  # of a packet, by where its first 0x47 lies


@dataclass(frozen=True)
class Outline:
    """Attributes:
    starts: first byte of each of the files that were joined to this one.
    cut: its own sizes reach beyond its end.
    """

    starts: list[int]
    cut: bool


def outline(file: BinaryIO, form: str) -> Outline:
    """What the outer sizes of a container say.

    Args:
        form: PyAV's name of it.
    """
    size = file.seek(0, 2)
    names = set(form.split(","))
    if "mp4" in names:
        return _boxes(file, size)
    if "matroska" in names:
        return Outline([0], _segment_end(file) > size)
    if "mpegts" in names:
        start = _read(file, 0, 5)
        unit = TS_BYTES.get(start.find(b"G"), 0)
        return Outline([0], bool(unit and size % unit))
    if "avi" in names:
        return Outline([0], struct.unpack("<4xI", _read(file, 0, 8))[0] + 8 > size + 1)
    if "wv" in names:
        return Outline(_wavpack(file, size), False)
    found = [0]
    if "flac" in names:
        found = [0, *(stream.start for stream in flac.streams(file)[1:])]
    if names & MAGICS.keys():
        found = _searched(file, MAGICS[next(iter(names & MAGICS.keys()))], size)
    return Outline(found, "asf" in names and _asf_end(file, found[-1], size) > size)


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _boxes(file: BinaryIO, size: int) -> Outline:
    """ISO 14496-12: boxes in a row, each with its size; `ftyp` begins a file."""
    starts, at = [0], 0
    while at + 8 <= size:
        length, name = struct.unpack(">I4s", _read(file, at, 8))
        if length == 1:
            length = struct.unpack(">Q", (_read(file, at + 8, 8) + bytes(8))[:8])[0]
        if name == b"ftyp" and at:
            starts.append(at)
        if length < 8:
            return Outline(starts, False)
        at += length
    return Outline(starts, at > size)


def _searched(file: BinaryIO, magic: bytes, size: int) -> list[int]:
    starts, at = [0], len(magic)
    while at < size:
        raw = _read(file, at, WINDOW + len(magic))
        found = raw.find(magic)
        if found >= 0 and found <= WINDOW:
            starts.append(at + found)
            at += found + len(magic)
        else:
            at += WINDOW
    return starts


def _wavpack(file: BinaryIO, size: int) -> list[int]:
    """Blocks in a row, each with its size and the number of its first sample: 0 begins a file."""
    starts, at = [0], 0
    while at + WAVPACK_HEAD <= size:
        head = _read(file, at, WAVPACK_HEAD)
        if head[:4] != b"wvpk":
            found = _read(file, at + 1, WINDOW).find(b"wvpk")
            at += 1 + (found if found >= 0 else WINDOW - 3)
            continue
        length, high, number, flags = struct.unpack("<4xI2xB5xI4xI4x", head)
        if at and not (high or number) and flags & WAVPACK_FIRST:
            starts.append(at)
        at += 8 + max(WAVPACK_HEAD - 8, length)
    return starts


def _segment_end(file: BinaryIO) -> int:
    """Where Matroska's segment ends by its size; 0 where that is not known."""
    at = 4
    length, used = _number(_read(file, at, 8))
    at += used + max(0, length)
    if length < 0 or _read(file, at, 4) != b"\x18\x53\x80\x67":
        return 0
    length, used = _number(_read(file, at + 4, 8))
    return 0 if length < 0 else at + 4 + used + length


def _number(raw: bytes) -> tuple[int, int]:
    """(value, bytes) of EBML's variable-size number; -1 means unknown."""
    if not raw or not raw[0]:
        return -1, 1
    used = 9 - raw[0].bit_length()
    value = int.from_bytes(raw[:used], "big") & ((1 << 7 * used) - 1)
    return (-1 if value == (1 << 7 * used) - 1 else value), used


def _asf_end(file: BinaryIO, start: int, size: int) -> int:
    """Where the data object of an ASF file ends by its size."""
    at = start
    for _ in range(2):
        head = _read(file, at, 24)
        length = struct.unpack("<Q", head[16:24])[0] if len(head) == 24 else 0
        if length < 24:
            return 0
        at += int(length)
    return at


BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
FIRST, LAST = 2, 4  # flags of a page


@dataclass(frozen=True)
class Pages:
    """What a walk through all pages of an Ogg file found.

    Attributes:
        whole: one stream, every page there with its right checksum. ended: its last page says so.
        damaged: pages are missing or their checksums are wrong.
    """

    whole: bool
    ended: bool
    damaged: bool = False


def checksum(page: bytes) -> int:
    """CRC-32 of a page as RFC 3533 has it: zlib's polynomial, but the bits the other way round."""
    reverse = page.translate(BITS_REVERSED)
    return int(f"{zlib.crc32(reverse, 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)


def ogg_pages(file: BinaryIO) -> Pages:
    """Walk through the pages of an Ogg file until the end or the first fault."""
    size, at, expected, stream, ended = file.seek(0, 2), 0, 0, -1, False
    file.seek(0)
    while at < size:
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            tail = at > 0 and b"OggS".startswith(head[:4])  # the last page is cut off
            return Pages(tail, False, not tail)
        flags, serial, number, crc, count = struct.unpack("<5xB8xIIIB", head)
        table = file.read(count)
        body = file.read(sum(table))
        if len(table) < count or len(body) < sum(table):
            return Pages(at > 0, False, at == 0)
        if checksum(head[:22] + bytes(4) + head[26:] + table + body) != crc:
            return Pages(False, False, True)
        if (stream not in (-1, serial)) or number != expected or (at and flags & FIRST):
            return Pages(False, False, not (at and flags & FIRST) and stream in (-1, serial))
        stream, expected, ended = serial, number + 1, bool(flags & LAST)
        at += 27 + count + len(body)
    return Pages(True, ended)
