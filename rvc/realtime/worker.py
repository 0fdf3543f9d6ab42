"""The process of a live session, `python -m rvc.realtime.worker`: commands and sound through pipes.

A server never computes sound itself: it starts this (`remote.Remote`) and copies bytes. Commands
are objects with `do`; each is answered by `{"done": ...}` or by an error as of `VoiceError.as_dict`
with `do` in it. Ten times a second there are `{"figures": ...}`. With `rate_in` the sound comes
through the pipe, and as much of the voice goes back; with `devices` it is that of this machine.

    {"do": "start", "live": {...}, "rate_in": 48000, "rate_out": 48000, "force": false}
    {"do": "start", "live": {...}, "devices": {"input_device": ..., "output_device": ...}}
    {"do": "set", "values": {"pitch": 3}}      {"do": "voice", "pth_path": ..., "index_path": ...}
    {"do": "bypass", "on": true}               {"do": "mute", "on": true}
    {"do": "record", "what": "both", "path": ...}    {"do": "record", "what": "off"}
    {"do": "stop"}
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rvc.errors import BadInput, VoiceError
from rvc.failures import explain
from rvc.params import Live, Realtime
from rvc.realtime import lease, startup
from rvc.realtime.messages import Writer, receive
from rvc.realtime.ports import Passive, Port
from rvc.realtime.recorder import Recorder
from rvc.realtime.session import Session
from rvc.realtime.startup import MakeEngine

LOG = logging.getLogger(__name__)
FIGURES_S = 0.1


class Worker:
    """Does what a parent asks for until it closes the pipe.

    Args:
        make: loads a voice (`startup.engine`).
    """

    def __init__(
        self, reading: BinaryIO, writing: BinaryIO, make: MakeEngine = startup.engine
    ) -> None:
        self.reading, self.writer, self.make = reading, Writer(writing), make
        self.session: Session | None = None
        self.recorder: Recorder | None = None
        self.held, self.rest = ExitStack(), 0.0
        self.asked: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.ended = threading.Event()

    def serve(self) -> None:
        """Read until the pipe is closed. Commands may take long; sound goes on meanwhile."""
        threads = [threading.Thread(target=f, daemon=True) for f in (self._obey, self._tell)]
        for thread in threads:
            thread.start()
        try:
            while (message := receive(self.reading)) is not None:
                if isinstance(message, np.ndarray):
                    self._sound(message)
                else:
                    self.asked.put(message)
        finally:
            self.asked.put(None)
            threads[0].join()
            self.ended.set()
            self._stop({})

    def _sound(self, wave: np.ndarray) -> None:
        session = self.session
        if session is None or not isinstance(session.port, Passive) or session.port.link is None:
            return
        session.push(wave)
        owed = self.rest + len(wave) * session.port.rate_out / session.port.rate_in
        self.rest = owed - int(owed)
        self.writer.send(session.pull(int(owed)))

    def _obey(self) -> None:
        commands = {
            "start": self._start,
            "stop": self._stop,
            "set": lambda m: self._live().set(**m.get("values", {})),
            "voice": self._voice,
            "bypass": lambda m: self._live().bypass(bool(m.get("on"))),
            "mute": lambda m: self._live().mute(bool(m.get("on"))),
            "record": self._record,
        }
        while (message := self.asked.get()) is not None:
            name = str(message.get("do"))
            try:
                if name not in commands:
                    raise BadInput(f"There is no command {name!r}.", f"Use {', '.join(commands)}.")
                commands[name](message)
                self._say({"done": name})
            except VoiceError as error:
                self._say(error.as_dict() | {"do": name})
            except OSError as error:
                self._say(explain(error).as_dict() | {"do": name})
            except Exception as error:  # noqa: BLE001 - the parent tells the person
                LOG.exception("%s", name)
                self._say(VoiceError(f"{type(error).__name__}: {error}").as_dict() | {"do": name})

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self.writer.send(message)
        except (OSError, ValueError) as error:
            LOG.debug("Nobody reads: %s", error)

    def _tell(self) -> None:
        while not self.ended.wait(FIGURES_S):
            if self.session is not None:
                recorded = self.recorder
                more = {} if recorded is None else {
                    "record_path": str(recorded.path),
                    "record_s": round(recorded.frames / recorded.rate, 1),
                    "record_fault": recorded.fault,
                }  # fmt: skip
                self._say({"figures": self.session.figures() | more})

    def _live(self) -> Session:
        if self.session is None:
            raise BadInput("Nothing is live.", "Start a session first.")
        return self.session

    def _start(self, message: dict[str, Any]) -> None:
        self._stop({})
        live = Live.model_validate(message.get("live", {}))
        self.held.enter_context(lease.held(str(live.pth_path)))
        try:
            startup.settle()
            session = Session(live, _port(message), self.make, force=bool(message.get("force")))
            self.session = session
            session.start()
        except BaseException:
            self.session = None
            self.held.close()
            raise

    def _stop(self, _message: dict[str, Any]) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.stop()
            self._say({"figures": session.figures()})
        self._end_recording()
        self.held.close()

    def _voice(self, message: dict[str, Any]) -> None:
        index = message.get("index_path")
        self._live().voice(Path(str(message["pth_path"])), Path(index) if index else None)

    def _record(self, message: dict[str, Any]) -> None:
        session = self._live()
        self._end_recording()
        if message.get("what", "off") != "off":
            path = Path(str(message["path"]))
            self.recorder = Recorder(path, session.port.rate_out, message["what"])
            session.taps = [self.recorder]

    def _end_recording(self) -> None:
        recorder, self.recorder = self.recorder, None
        if self.session is not None:
            self.session.taps = []
        if recorder is not None:
            recorder.close()


def _port(message: dict[str, Any]) -> Port:
    if "devices" not in message:
        rate = int(message["rate_in"])
        return Passive(rate, int(message.get("rate_out", rate)))
    from rvc.realtime.verb import port

    return port(Realtime.model_validate(message["devices"] | {"action": "run"}))


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    writing, sys.stdout = sys.stdout.buffer, sys.stderr  # what anybody prints is no message
    Worker(sys.stdin.buffer, writing).serve()


if __name__ == "__main__":
    main()
