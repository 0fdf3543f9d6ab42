"""The process of a session: commands are answered, sound comes back, its end is told."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvc.realtime.messages import MessageWriter, receive
from rvc.realtime.remote import Remote
from rvc.realtime.worker import LiveWorker
from tests.realtime.echo import Echo

WAIT_S = 60


class Parent:
    """The other end of a worker's pipes."""

    def __init__(self, make: Callable[..., Any]) -> None:
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        self.reading = os.fdopen(ours_in, "rb")
        self.pipe = os.fdopen(ours_out, "wb")
        self.writer = MessageWriter(self.pipe)
        self.worker = LiveWorker(os.fdopen(theirs_in, "rb"), os.fdopen(theirs_out, "wb"), make)
        self.thread = threading.Thread(target=self.worker.serve, daemon=True)
        self.thread.start()

    def answer(self, do: str, **values: Any) -> dict[str, Any]:
        """What is said to a command; figures on the way are left out."""
        self.writer.send({"do": do, **values})
        while True:
            found = receive(self.reading)
            assert found is not None
            if isinstance(found, dict) and "figures" not in found:
                return found

    def sound(self, wave: np.ndarray) -> np.ndarray:
        self.writer.send(wave)
        while True:
            found = receive(self.reading)
            if isinstance(found, np.ndarray):
                return found

    def figures(self) -> dict[str, Any]:
        while True:
            found = receive(self.reading)
            if isinstance(found, dict) and "figures" in found:
                out: dict[str, Any] = found["figures"]
                return out

    def close(self) -> None:
        self.pipe.close()
        self.thread.join(WAIT_S)
        self.reading.close()


@pytest.fixture
def parent(home: Path) -> Iterator[Parent]:
    made = Parent(Echo)
    yield made
    made.close()
    assert not made.thread.is_alive()


def test_a_session_through_a_pipe(parent: Parent, tmp_path: Path) -> None:
    live = {"pth_path": "v.pth", "head_room_ms": 80}
    assert parent.answer("start", live=live, rate_in=16000, rate_out=48000)["done"] == "start"
    lengths = [len(parent.sound(np.ones(100, np.float32))) for _ in range(20)]
    assert lengths == [300] * 20
    assert parent.answer("set", values={"pitch": 3})["done"] == "set"
    assert parent.answer("record", what="both", path=str(tmp_path / "r.wav"))["done"] == "record"
    said = parent.figures()
    assert said["state"] == "running"
    assert said["delay_ms"] == 240
    assert parent.answer("stop")["done"] == "stop"
    assert (tmp_path / "r.wav").stat().st_size >= 44
    assert parent.answer("mute", on=True)["error"] == "bad_input"


@pytest.mark.parametrize(
    ("do", "values", "word"),
    [
        ("dance", {}, "no command 'dance'"),
        ("set", {"values": {"pitch": 3}}, "Nothing is live"),
        ("start", {"live": {"pitch": 99}, "rate_in": 16000}, "pitch"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    parent: Parent, do: str, values: dict[str, Any], word: str
) -> None:
    said = parent.answer(do, **values)
    assert word in said["message"]
    assert said["do"] == do


def test_a_process_of_its_own_answers_and_ends(home: Path) -> None:
    words: queue.Queue[dict[str, Any]] = queue.Queue()
    remote = Remote(lambda wave: None, words.put)
    try:
        remote.command("start", live={}, rate_in=48000)
        said = words.get(timeout=WAIT_S)
        assert said["message"] == "No voice was chosen."
    finally:
        remote.close()
    assert words.get(timeout=WAIT_S)["ended"] == 0
