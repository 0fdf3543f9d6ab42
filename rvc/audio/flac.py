"""How long the FLAC streams of a file are: by their headers, and by their last frames.

RFC 9639. A header is written first and may promise more than came, or less.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

WINDOW = 1 << 20
TAIL = 1 << 16  # bytes at the end that hold a frame's beginning, as a rule
LONGEST = 1 << 24  # bytes of a frame by its header
BLOCKS = {1: 192} | {n: 144 << n for n in range(2, 6)} | {n: 1 << n for n in range(8, 16)}
HZ = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
BITS = (0, 8, 12, 0, 16, 20, 24, 32)


@dataclass(frozen=True)
class Stream:
    """Attributes:
    start, stop: its bytes. claimed: frames (samples of one channel) by its header, 0 if unknown.
    block: samples of a FLAC frame where all are of one length.
    """

    start: int
    stop: int
    rate: int
    channels: int
    bits: int
    claimed: int
    block: int

    def length(self, file: BinaryIO) -> int:
        """Frames until the end of the last one that begins in the file; 0 where none is found."""
        reach = TAIL
        while True:
            first = max(self.start, self.stop - reach)
            file.seek(first)
            raw = file.read(self.stop - first)
            at = raw.rfind(b"\xff")
            while at >= 0:
                if end := self._end(raw[at : at + 16]):
                    return end
                at = raw.rfind(b"\xff", 0, at)
            if first == self.start or reach >= LONGEST:
                return 0
            reach *= 4

    def _end(self, raw: bytes) -> int:
        """Where the FLAC frame ends whose header this is; 0 if it is none of this stream."""
        if len(raw) < 6 or raw[1] & 0xFE != 0xF8 or raw[3] & 1:
            return 0
        block, rate, places, bits = raw[2] >> 4, raw[2] & 15, raw[3] >> 4, raw[3] >> 1 & 7
        channels = places + 1 if places < 8 else 2
        if channels != self.channels or bits == 3 or BITS[bits] not in (0, self.bits):
            return 0
        if not block or rate == 15 or (rate < 12 and HZ[rate] not in (0, self.rate)):
            return 0
        number, at = _number(raw)
        samples = BLOCKS.get(block, 0)
        if block in (6, 7):
            samples = int.from_bytes(raw[at : at + block - 5], "big") + 1
            at += block - 5
        at += {12: 1, 13: 2, 14: 2}.get(rate, 0)
        if number < 0 or len(raw) <= at or checksum(raw[:at]) != raw[at]:
            return 0
        return number * (1 if raw[1] & 1 else self.block) + samples


def streams(file: BinaryIO) -> list[Stream]:
    """Every stream in a file, in order."""
    size = file.seek(0, 2)
    heads = [(at, head) for at in _marks(file, size) if (head := _header(file, at))]
    ends = [at for at, _ in heads[1:]] + [size]
    found = []
    for (at, head), end in zip(heads, ends, strict=True):
        low, high, packed = struct.unpack(">HH6xQ", head)
        rate, channels = packed >> 44, (packed >> 41 & 7) + 1
        bits, claimed = (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
        if low >= 16 and rate:
            block = low if low == high else 0
            found.append(Stream(at, end, rate, channels, bits, claimed, block))
    return found


def _marks(file: BinaryIO, size: int) -> Iterator[int]:
    """Places of the four bytes that begin a stream."""
    for begin in range(0, size, WINDOW):
        file.seek(begin)
        raw = file.read(WINDOW + 3)
        at = raw.find(b"fLaC")
        while at >= 0:
            yield begin + at
            at = raw.find(b"fLaC", at + 1)


def _header(file: BinaryIO, at: int) -> bytes:
    """STREAMINFO's first 18 bytes; empty where it does not follow."""
    file.seek(at)
    raw = file.read(26)
    return raw[8:] if len(raw) == 26 and raw[4] & 127 == 0 and raw[5:8] == b"\0\0\x22" else b""


def _number(raw: bytes) -> tuple[int, int]:
    """(number of a FLAC frame or of its first sample, where it ends); -1 if it is none."""
    lead = 8 - (raw[4] ^ 0xFF).bit_length()
    if lead == 0:
        return raw[4], 5
    rest = raw[5 : 4 + lead]
    if lead in (1, 8) or len(rest) < lead - 1 or any(byte >> 6 != 2 for byte in rest):
        return -1, 5
    number = raw[4] & (1 << 7 - lead) - 1
    for byte in rest:
        number = number << 6 | byte & 63
    return number, 4 + lead


def checksum(raw: bytes) -> int:
    """CRC-8 of a FLAC frame's header."""
    value = 0
    for byte in raw:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ (0x107 if value & 128 else 0)
    return value
