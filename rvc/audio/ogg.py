"""The pages of an Ogg file: whether they are one whole stream, several, damaged or cut off."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
FIRST, LAST = 2, 4  # flags of a page


@dataclass(frozen=True)
class Pages:
    """What a walk through all pages found.

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


def examine(file: BinaryIO) -> Pages:
    """Walk through the pages until the end or the first fault."""
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
