"""The process in which somebody is live, as the server sees it: asked, listened to, replaced."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rvc.errors import VoiceError, from_dict
from rvc.realtime.wire import Frame

if TYPE_CHECKING:
    import numpy as np

    from rvc.realtime.remote import Remote

WAITING = 12  # frames of sound on their way, a quarter of a second; the oldest are dropped
MOST_MISSING = 25  # frames that are made up for by silence
COUNT = 1 << 32  # of sequence numbers

log = logging.getLogger(__name__)


class LiveProcess:
    """Starts the process when it is first needed, and once more after it died.

    Args:
        program: arguments of Python; None for the usual one.

    Attributes:
        figures: what the session said last; empty without one.
        listen: called in the event loop with each frame to be played.
        dropped, lost: frames that waited too long here; that never came.
    """

    def __init__(self, program: Sequence[str] | None = None) -> None:
        self.program = program
        self.remote: Remote | None = None
        self.figures: dict[str, Any] = {}
        self.listen: Callable[[bytes], None] = lambda frame: None
        self.asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.number = 0
        self.out: deque[dict[str, Any] | Frame] = deque()
        self.news = threading.Condition()
        self.begin()

    def begin(self) -> None:
        """Forget the frames of a session before."""
        self.expected: int | None = None
        self.dropped = self.lost = 0
        self.due: deque[Frame | None] = deque()  # what the sounds that come back answer

    async def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Have something done.

        Raises:
            VoiceError: it could not be done, or the process died of it.
        """
        self._alive()
        self.number += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.asked[self.number] = answer
        self._send({"do": do, "id": self.number, **values})
        return await answer

    def sound(self, frame: Frame) -> None:
        """What a browser heard; lost where no process is."""
        if self.remote is not None:
            self._send(frame)

    def end(self) -> None:
        """End the process, and the session with it."""
        remote, self.remote, self.figures = self.remote, None, {}
        if remote is None:
            return
        self._fail(VoiceError("The session was ended.", "Start again."))
        with self.news:
            self.news.notify_all()
        threading.Thread(target=remote.close, daemon=True).start()

    def _send(self, what: dict[str, Any] | Frame) -> None:
        with self.news:
            waiting = [item for item in self.out if isinstance(item, Frame)]
            if isinstance(what, Frame) and len(waiting) >= WAITING:
                self.out.remove(waiting[0])
                self.dropped += 1
            self.out.append(what)
            self.news.notify_all()

    def _alive(self) -> None:
        if self.remote is not None:
            return
        from rvc.realtime.remote import PROGRAM, Remote

        loop = asyncio.get_running_loop()
        self.out.clear()

        def told(words: dict[str, Any]) -> None:
            with suppress(RuntimeError):  # the server ends
                loop.call_soon_threadsafe(self._take, remote, words)

        def heard(wave: np.ndarray) -> None:
            if (frame := self._answer(wave)) is not None:
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(lambda: self.listen(frame))

        remote = self.remote = Remote(heard, told, self.program or PROGRAM)
        threading.Thread(target=self._write, args=(remote,), daemon=True).start()

    def _write(self, remote: Remote) -> None:
        """Hand on what waits: a pipe that is full must not hold up the server."""
        while True:
            with self.news:
                while not self.out and self.remote is remote:
                    self.news.wait()
                if self.remote is not remote:
                    return
                what = self.out.popleft()
            try:
                if isinstance(what, Frame):
                    self._push(remote, what)
                else:
                    remote.command(what.pop("do"), **what)
            except (OSError, ValueError):
                return  # its end is told by `_take`

    def _push(self, remote: Remote, frame: Frame) -> None:
        """A frame, with silence before it where others were lost, so that positions hold."""
        import numpy as np

        wave = np.frombuffer(frame.samples, "<i2").astype(np.float32) / 32768
        missing = 0 if self.expected is None else (frame.sequence - self.expected) % COUNT
        self.expected = (frame.sequence + 1) % COUNT
        if frame.sequence and 0 < missing < COUNT // 2:
            self.lost += missing
            self.due.append(None)
            remote.push(np.zeros(min(missing, MOST_MISSING) * len(wave), np.float32))
        self.due.append(frame)
        remote.push(wave)

    def _answer(self, wave: np.ndarray) -> bytes | None:
        import numpy as np

        frame = self.due.popleft() if self.due else None
        if frame is None:
            return None
        samples = (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
        return Frame(frame.sequence, frame.moment_ms, samples).pack()

    def _take(self, remote: Remote, said: dict[str, Any]) -> None:
        if remote is not self.remote:
            return
        if "figures" in said:
            self.figures = said["figures"] | {"lost": self.lost, "dropped": self.dropped}
        elif "ended" in said:
            self._died(said)
        elif (answer := self.asked.pop(said.pop("id", 0), None)) is not None and not answer.done():
            if "error" in said:
                answer.set_exception(from_dict(said))
            else:
                answer.set_result(said)

    def _died(self, said: dict[str, Any]) -> None:
        last = "\n".join(said["said"])
        log.error("The live process ended (code %s). %s", said["ended"], last)
        self.remote = None
        with self.news:
            self.news.notify_all()
        error = VoiceError(f"The live process ended (code {said['ended']}).", last)
        self.figures = {"state": "error", "message": error.message}
        self._fail(error)

    def _fail(self, error: VoiceError) -> None:
        waiting, self.asked = list(self.asked.values()), {}
        for answer in waiting:
            if not answer.done():
                answer.set_exception(error)
