"""What a session sounds like, in a WAV file that can be played whatever happens to the session."""

from __future__ import annotations

import logging
import queue
import struct
import threading
from pathlib import Path

import numpy as np

from rvc.params.live import What

LOG = logging.getLogger(__name__)
WAITING = 200  # blocks; the session is never made to wait
MOST_BYTES = 4_000_000_000


class Recorder:
    """Writes blocks in a thread of its own; a tap of `Session`.

    The header is brought up to date every second, so a process that is killed leaves all but the
    last second. A full disk ends the recording and nothing else.

    Args:
        what: converted or input: one channel; both: input left, converted right.

    Attributes:
        dropped: blocks that the disk was too slow for.
        fault: why it ended before it was closed; empty where it did not.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, rate: int, what: What) -> None:
        self.path, self.rate, self.what = path, rate, what
        self.channels = 2 if what == "both" else 1
        self.frames = self.dropped = 0
        self.fault = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("wb")
        self._write_head()
        self.blocks: queue.Queue[np.ndarray | None] = queue.Queue(WAITING)
        self.thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.thread.start()

    def __call__(self, heard: np.ndarray, played: np.ndarray) -> None:
        """The next block (T,) of both."""
        given = {"both": (heard, played), "input": (heard,)}.get(self.what, (played,))
        try:
            self.blocks.put_nowait(np.stack(given, axis=1))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, and end."""
        if self.thread.is_alive():
            self.blocks.put(None)
            self.thread.join()

    def _run(self) -> None:
        told = 0
        try:
            with self.file:
                while (block := self.blocks.get()) is not None and not self.fault:
                    self.file.write((np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
                    self.frames += len(block)
                    if self.frames - told >= self.rate:
                        told = self.frames
                        self._write_head()
                    if self.frames * 2 * self.channels > MOST_BYTES:
                        self.fault = f"{self.path} is as long as a WAV file can be."
                self._write_head()
        except OSError as error:
            self.fault = f"{self.path}: {error.strerror or error}"
            LOG.warning("The recording ended: %s", self.fault)

    def _write_head(self) -> None:
        wide, rate = 2 * self.channels, self.rate
        size = self.frames * wide
        head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1,
                           self.channels, rate, rate * wide, wide, 16, b"data", size)  # fmt: skip
        self.file.seek(0)
        self.file.write(head)
        self.file.seek(0, 2)
        self.file.flush()
