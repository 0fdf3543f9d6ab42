"""The process of a live session, `python -m rvc.realtime.worker`: commands and sound through pipes.

A server never computes sound itself: it starts this (`remote.Remote`) and copies bytes. Commands
are objects with `do`; each is answered by `{"done": ...}` or by an error as of `VoiceError.as_dict`
with `do` in it; an `id` comes back. Ten times a second there are `{"figures": ...}`. With `rate_in`
the sound comes through the pipe, and as much of the voice goes back; with `devices` it is that of
this machine.

    {"do": "start", "live": {...}, "rate_in": 48000, "rate_out": 48000, "force": false}
    {"do": "start", "live": {...}, "devices": {"input_device": ..., "output_device": ...}}
    {"do": "set", "values": {"pitch": 3}}      {"do": "voice", "pth_path": ..., "index_path": ...}
    {"do": "bypass", "on": true}               {"do": "mute", "on": true}
    {"do": "record", "what": "both", "path": ...}    {"do": "record", "what": "off"}
    {"do": "probe"}: while live through the pipe    {"do": "probe", "devices": {...}}: else
    {"do": "stop"}
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rvc.errors import BadInput, VoiceError
from rvc.failures import explain
from rvc.params import Live, Realtime
from rvc.realtime import lease, probe, startup
from rvc.realtime.messages import MessageWriter, receive
from rvc.realtime.ports import Passive, Port
from rvc.realtime.recorder import Recorder
from rvc.realtime.session import Session
from rvc.realtime.startup import MakeEngine

LOG = logging.getLogger(__name__)
FIGURES_S = 0.1
PROBE_S = 20.0
AT_ONCE = ("set", "bypass", "mute")  # also while a voice is loaded
Done = dict[str, Any] | None


class LiveWorker:
    """Does what a parent asks for until it closes the pipe.

    Args:
        make: loads a voice (`startup.engine`).
    """

    def __init__(
        self, reading: BinaryIO, writing: BinaryIO, make: MakeEngine = startup.engine
    ) -> None:
        self.reading, self.writer, self.make = reading, MessageWriter(writing), make
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
                elif message.get("do") in AT_ONCE:
                    self._do(message)
                else:
                    self.asked.put(message)
        finally:
            self.asked.put(None)
            threads[0].join()
            self.ended.set()
            self._stop({})

    def _sound(self, wave: np.ndarray) -> None:
        port = self.session.port if self.session is not None else None
        if not isinstance(port, Passive) or (link := port.link) is None:
            return
        link.push(wave)
        owed = self.rest + len(wave) * port.rate_out / port.rate_in
        self.rest = owed - int(owed)
        self.writer.send(link.pull(int(owed)))

    def _obey(self) -> None:
        while (message := self.asked.get()) is not None:
            self._do(message)

    def _do(self, message: dict[str, Any]) -> None:
        commands: dict[str, Callable[[dict[str, Any]], Done]] = {
            "start": self._start,
            "stop": self._stop,
            "set": lambda m: self._live().set(**m.get("values", {})),
            "voice": self._voice,
            "bypass": lambda m: self._live().bypass(bool(m.get("on"))),
            "mute": lambda m: self._live().mute(bool(m.get("on"))),
            "record": self._record,
            "probe": self._probe,
        }
        name = str(message.get("do"))
        to = {"id": message["id"]} if "id" in message else {}
        try:
            if name not in commands:
                raise BadInput(f"There is no command {name!r}.", f"Use {', '.join(commands)}.")
            self._say({"done": name} | to | (commands[name](message) or {}))
        except VoiceError as error:
            self._say(error.as_dict() | {"do": name} | to)
        except OSError as error:
            self._say(explain(error).as_dict() | {"do": name} | to)
        except Exception as error:  # noqa: BLE001 - the parent tells the person
            LOG.exception("%s", name)
            self._say(VoiceError(f"{type(error).__name__}: {error}").as_dict() | {"do": name} | to)

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self.writer.send(message)
        except (OSError, ValueError) as error:
            LOG.debug("Nobody reads: %s", error)

    def _tell(self) -> None:
        while not self.ended.wait(FIGURES_S):
            if self.session is not None:
                recorded = self.recorder
                more = _recorded(recorded) if recorded is not None else {}
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

    def _stop(self, _message: dict[str, Any]) -> Done:
        session, self.session = self.session, None
        if session is not None:
            session.stop()
            self._say({"figures": session.figures()})
        done = self._end_recording()
        self.held.close()
        return done

    def _voice(self, message: dict[str, Any]) -> None:
        index = message.get("index_path")
        self._live().voice(Path(str(message["pth_path"])), Path(index) if index else None)

    def _record(self, message: dict[str, Any]) -> Done:
        session = self._live()
        done = self._end_recording()
        if message.get("what", "off") != "off":
            path = Path(str(message["path"]))
            self.recorder = Recorder(path, session.port.rate_out, message["what"])
            session.taps.append(self.recorder)
        return done

    def _end_recording(self) -> Done:
        """Close a recording; says where it is and how long."""
        recorder, self.recorder = self.recorder, None
        if self.session is not None:
            self.session.taps.clear()
        if recorder is None:
            return None
        recorder.close()
        return _recorded(recorder)

    def _probe(self, message: dict[str, Any]) -> Done:
        """Measure the delay by bursts: through the pipe while live, else through devices."""
        session = self.session
        if session is None:
            from rvc.realtime import verb

            p = Realtime.model_validate(message.get("devices", {}) | {"action": "probe"})
            return verb.run(p, lambda *done: None)
        port = session.port
        if not isinstance(port, Passive):
            raise BadInput("The devices are in use.", "Stop, then measure the delay.")
        link = port.link = probe.Detour(port.rate_out, session)
        end = time.monotonic() + PROBE_S
        while not link.over and self.session is session and time.monotonic() < end:
            time.sleep(FIGURES_S)
        port.link = session
        heard = np.concatenate([*link.heard, np.zeros(1, np.float32)])
        return probe.find(heard, port.rate_in).json()


def _recorded(recorder: Recorder) -> dict[str, Any]:
    return {
        "record_path": str(recorder.path),
        "record_s": round(recorder.frames / recorder.rate, 3),
        "record_fault": recorder.fault,
    }


def _port(message: dict[str, Any]) -> Port:
    if "devices" not in message:
        rate = int(message["rate_in"])
        return Passive(rate, int(message.get("rate_out", rate)))
    from rvc.realtime.verb import port

    return port(Realtime.model_validate(message["devices"] | {"action": "run"}))


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    writing, sys.stdout = sys.stdout.buffer, sys.stderr  # what anybody prints is no message
    LiveWorker(sys.stdin.buffer, writing).serve()


if __name__ == "__main__":
    main()
