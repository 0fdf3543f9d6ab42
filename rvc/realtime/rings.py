"""Sound between threads, addressed by its absolute position, so that nothing can shift in time."""

from __future__ import annotations

import threading

import numpy as np


class Ring:
    """The newest samples of a stream. One thread writes, others read; both hold a lock briefly.

    Positions count samples from the start of the stream. What was not written yet, or is not held
    any more, reads as silence: late sound leaves a gap and never a delay.

    Args:
        size: samples held.

    Attributes:
        end: position that is written next.
    """

    def __init__(self, size: int, end: int = 0) -> None:
        self.size, self.end, self.lock = size, end, threading.Lock()
        self.held = np.zeros(size, np.float32)

    def write(self, wave: np.ndarray) -> None:
        """Append (T,) samples."""
        with self.lock:
            part = wave[-self.size :]
            at = (self.end + len(wave) - len(part)) % self.size
            split = min(len(part), self.size - at)
            self.held[at : at + split] = part[:split]
            self.held[: len(part) - split] = part[split:]
            self.end += len(wave)

    def read(self, first: int, last: int) -> np.ndarray:
        """Samples [first, last), with silence where there are none."""
        out = np.zeros(max(0, last - first), np.float32)
        with self.lock:
            a, b = max(first, self.end - self.size, 0), min(last, self.end)
            if b > a:
                at = a % self.size
                split = min(b - a, self.size - at)
                into = out[a - first : b - first]
                into[:split] = self.held[at : at + split]
                into[split:] = self.held[: b - a - split]
        return out

    def rewrite(self, first: int, wave: np.ndarray) -> None:
        """Put other samples at [first, first + T), as far as they are held; `end` stays."""
        with self.lock:
            a, b = max(first, self.end - self.size, 0), min(first + len(wave), self.end)
            if b > a:
                self.held[np.arange(a, b) % self.size] = wave[a - first : b - first]

    def withdraw(self, end: int) -> None:
        """Take back what was written from position `end` on."""
        with self.lock:
            self.end = min(self.end, end)
