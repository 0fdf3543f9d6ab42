"""How sound travels between a browser and a session: in frames.

A frame is 16 bytes and int16 samples, little-endian, one channel: version (u8), kind (u8), flags
(u16), sequence (u32), and the moment of its first sample in ms by the sender's clock (f64). What
answers a frame carries its sequence and moment, so that the sender can tell how old it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rvc.errors import BadInput

VERSION, SOUND = 1, 1
HEAD = struct.Struct("<BBHId")
MOST_BYTES = 16 * 1024  # of a frame and of a control message


@dataclass(frozen=True)
class Frame:
    """A stretch of sound.

    Attributes:
        sequence: counts frames from 0; 0 begins anew.
        moment_ms: of the first sample, by the clock of whoever recorded it.
        samples: int16, little-endian.
    """

    sequence: int
    moment_ms: float
    samples: bytes

    def pack(self) -> bytes:
        return HEAD.pack(VERSION, SOUND, 0, self.sequence, self.moment_ms) + self.samples


def read_frame(data: bytes) -> Frame:
    """The frame in a message.

    Raises:
        BadInput: it is none.
    """
    if not HEAD.size <= len(data) <= MOST_BYTES or (len(data) - HEAD.size) % 2:
        raise BadInput(f"{len(data)} bytes are no frame of sound.", "See docs/live.md.")
    version, kind, _, sequence, moment_ms = HEAD.unpack_from(data)
    if (version, kind) != (VERSION, SOUND):
        raise BadInput(f"Frames of version {version} and kind {kind} are unknown.", "Send 1 and 1.")
    return Frame(sequence, moment_ms, data[HEAD.size :])
