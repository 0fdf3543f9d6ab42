"""A live session in a process of its own, as its parent sees it. Loads no torch."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rvc import processes
from rvc.realtime.messages import MessageWriter, receive

PROGRAM = ("-m", "rvc.realtime.worker")
LAST_LINES = 20
END_S = 3.0


class Remote:
    """Starts `rvc.realtime.worker`, whose commands and answers its text describes.

    Args:
        sound: gets every block of the voice (T,) that comes back.
        words: gets every answer and the figures, and at last `{"ended": code, "said": lines}`.
            Both are called by a thread of this object.
        program: arguments of Python.
    """

    def __init__(
        self,
        sound: Callable[[np.ndarray], None],
        words: Callable[[dict[str, Any]], None],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.sound, self.words = sound, words
        self.process = subprocess.Popen(
            processes.line(program),
            env=processes.environment(OMP_NUM_THREADS="1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **processes.detachment(),
        )
        assert self.process.stdin is not None
        self.writer = MessageWriter(self.process.stdin)
        self.said: deque[str] = deque(maxlen=LAST_LINES)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._read, self._listen)]
        for thread in self.threads:
            thread.start()

    def command(self, do: str, **values: Any) -> None:
        """Ask for something; the answer comes to `words`. Raises OSError where it has ended."""
        self.writer.send({"do": do, **values})

    def push(self, wave: np.ndarray) -> None:
        """The next samples (T,) that were heard. Raises OSError where it has ended."""
        self.writer.send(wave)

    def close(self) -> None:
        """End the session and its process."""
        try:
            self.writer.pipe.close()
        except OSError:
            self.process.kill()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join()

    def _read(self) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        while (message := receive(pipe)) is not None:
            if isinstance(message, dict):
                self.words(message)
            else:
                self.sound(message)
        code = self.process.wait()
        self.words({"ended": code, "said": list(self.said)})

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.decode(errors="replace").rstrip())
