"""What a live process and its parent say to each other through a pipe: words and sound.

A message is a letter, the length of what follows in bytes (u32, little-endian), and that: `J` and a
JSON object, or `A` and mono samples as float32.
"""

from __future__ import annotations

import json
import struct
import threading
from typing import IO, Any

import numpy as np

HEAD = struct.Struct("<cI")
WORDS, SOUND = b"J", b"A"
LONGEST = 1 << 24  # bytes
Message = dict[str, Any] | np.ndarray


class MessageWriter:
    """Writes messages; threads may share it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.pipe, self.lock = pipe, threading.Lock()

    def send(self, message: Message) -> None:
        """Raises OSError or ValueError where nobody reads any more."""
        if isinstance(message, dict):
            kind, body = WORDS, json.dumps(message).encode()
        else:
            kind, body = SOUND, np.asarray(message, "<f4").tobytes()
        with self.lock:
            self.pipe.write(HEAD.pack(kind, len(body)) + body)
            self.pipe.flush()


def receive(pipe: IO[bytes]) -> Message | None:
    """The next message; None where the other side has ended.

    Raises:
        ValueError: what came is no message.
    """
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, length = HEAD.unpack(head)
    if kind not in (WORDS, SOUND) or length > LONGEST:
        raise ValueError(f"{head!r} begins no message")
    body = pipe.read(length)
    if len(body) < length:
        return None
    if kind == SOUND:
        return np.frombuffer(body, "<f4")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError(f"{body[:40]!r} is no object")
    return found
