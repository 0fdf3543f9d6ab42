"""The live socket: who may be live, what a browser hears and sends, and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
import websockets
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosedError
from websockets.typing import Origin

from rvc import server
from rvc.config import REPOSITORY
from rvc.errors import BadInput
from rvc.realtime.wire import Frame, read_frame
from rvc.server import answering, floor, guest, live
from tests.tts import fake_engines

HERE = "http://127.0.0.1:6969"
PROGRAM = ("-m", "tests.realtime.fake_remote")
RATE, FRAME = 48_000, 960
LIMIT_S = 60.0
WHO = "browser-one"
STEADY = {"head_room_ms": 400, "constant_delay": True}  # for those who speak faster than time


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("home")
    for name in ("anna", "broken", "slow", "deadly"):
        folder = made / "logs" / name
        folder.mkdir(parents=True)
        fake_engines.voice(folder / f"{name}.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RVC_HOME", str(made))
        yield made


@pytest.fixture(scope="module")
def shared(home: Path) -> Iterator[TestClient]:
    """One process for all tests: its imports take longer than they do."""
    app = server.create()
    app.state.live.stage.program = PROGRAM
    with TestClient(app, base_url=HERE) as made:
        yield made
        app.state.live.stage.end()


@pytest.fixture
def client(shared: TestClient) -> Iterator[TestClient]:
    yield shared
    assert shared.post("/api/live/stop", json={}).status_code == 200


class Browser:
    """What the page does at the socket."""

    def __init__(self, socket: WebSocketTestSession, who: str = WHO) -> None:
        self.socket, self.who, self.sequence = socket, who, 0
        self.played: list[np.ndarray] = []
        self.answers: list[Frame] = []

    def do(self, do: str, **values: Any) -> None:
        self.socket.send_text(json.dumps({"do": do, **values}))

    def hello(self, **values: Any) -> dict[str, Any]:
        self.do("hello", client=self.who, **values)
        return self.until("welcome", "busy")

    def start(self, voice: str = "anna", **values: Any) -> dict[str, Any]:
        self.do("start", voice=voice, rate=RATE, **values)
        return self.until("done", "error")

    def until(self, *kinds: str, **holds: Any) -> dict[str, Any]:
        """The next message of a kind; sound that comes before is kept."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            message = self.socket.receive()
            if message["type"] == "websocket.close":
                raise WebSocketDisconnect(message["code"], message.get("reason"))
            if message.get("bytes"):
                self._keep(message["bytes"])
                continue
            said: dict[str, Any] = json.loads(message["text"])
            if said["say"] in kinds and holds.items() <= said.items():
                return said
        raise AssertionError(f"no {kinds} came")

    def _keep(self, data: bytes) -> None:
        frame = read_frame(data)
        self.answers.append(frame)
        self.played.append(np.frombuffer(frame.samples, "<i2") / 32767)

    def say(self, wave: np.ndarray, every: int = 1) -> None:
        """Speak, 20 ms at a time, and wait for each to be answered as the network would."""
        for at in range(0, len(wave) - FRAME + 1, FRAME):
            samples = (wave[at : at + FRAME] * 32767).astype("<i2").tobytes()
            self.socket.send_bytes(Frame(self.sequence, 20.0 * self.sequence, samples).pack())
            self.sequence += every
            count = len(self.answers)
            end = time.monotonic() + LIMIT_S
            while len(self.answers) == count and time.monotonic() < end:
                message = self.socket.receive()
                if message.get("bytes"):
                    self._keep(message["bytes"])
            assert len(self.answers) > count, "no answer came"

    def figures(self) -> dict[str, Any]:
        """What is said from now on, once something newer than all that was spoken has come."""
        until = (self.sequence - 1) * FRAME / RATE - 0.01
        while (said := self.until("figures")).get("seconds", 0) < until:
            pass
        return said


def connect(client: TestClient, **headers: str) -> AbstractContextManager[WebSocketTestSession]:
    given = {"origin": HERE, "host": "127.0.0.1:6969"} | headers
    return client.websocket_connect("/api/live", headers={k: v for k, v in given.items() if v})


def tone(seconds: float, hz: float = 440.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * hz * t)


def test_a_browser_hears_itself_as_late_as_it_is_told(client: TestClient) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        assert page.hello()["state"] == "stopped"
        assert page.start(settings=STEADY)["say"] == "done"
        noise = np.random.default_rng(0).standard_normal(RATE * 2)
        spectrum = np.fft.rfft(noise)
        spectrum[np.fft.rfftfreq(len(noise), 1 / RATE) > 5000] = 0
        wave = 0.1 * np.fft.irfft(spectrum) / np.abs(noise).max()
        page.say(wave)
        delay_ms = page.figures()["delay_ms"]
        heard = np.concatenate(page.played)
        assert [f.sequence for f in page.answers] == list(range(100))
        assert [f.moment_ms for f in page.answers] == [20.0 * n for n in range(100)]
        size = 2 * len(wave)
        product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wave, size))
        lag_ms = 1000 * int(np.argmax(np.fft.irfft(product, size))) / RATE
        assert lag_ms == pytest.approx(delay_ms, abs=1)


def test_a_lost_frame_is_silence_and_moves_nothing(client: TestClient) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        page.start()
        page.say(tone(0.4))
        page.sequence += 3
        page.say(tone(0.4))
        said = page.figures()
        assert said["lost"] == 3
        assert said["seconds"] == pytest.approx(0.86, abs=0.001)


def test_a_second_browser_is_told_and_may_take_over(client: TestClient) -> None:
    with connect(client) as one, connect(client) as two:
        first, second = Browser(one), Browser(two, "browser-two")
        first.hello()
        first.start()
        assert second.hello()["say"] == "busy"
        second.do("mute", on=True)
        assert second.until("error")["error"] == "busy"
        assert second.hello(take_over=True)["say"] == "welcome"
        assert first.until("taken")
        assert second.start()["say"] == "done"
        first.do("stop")
        assert first.until("error")["error"] == "busy"
        second.say(tone(0.2))


def test_a_page_that_is_loaded_again_comes_back(client: TestClient) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        page.start(settings={"pitch": 3})
        page.do("set", settings={"gate_db": -40})
        page.until("done", did="set")
        page.say(tone(0.2))
    with connect(client) as socket:
        again = Browser(socket)
        found = again.hello()
        assert (found["state"], found["mine"]) == ("running", True)
        assert found["began"]["live"]["pitch"] == 3
        assert found["began"]["live"]["gate_db"] == -40
        again.say(tone(0.4))
        assert again.figures()["seconds"] == pytest.approx(0.6, abs=0.001)


def test_who_does_not_come_back_is_not_waited_for(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "AGAIN_S", 0.1)
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        page.start()
    end = time.monotonic() + LIMIT_S
    while client.get("/api/live").json()["state"] != "stopped" and time.monotonic() < end:
        time.sleep(0.05)
    with connect(client) as socket:
        other = Browser(socket, "browser-two")
        assert other.hello()["say"] == "welcome"
        assert other.start()["say"] == "done"


def test_a_browser_that_goes_silent_ends_its_session(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SILENT_S", 0.3)
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        page.start()
        page.until("silent")
        with pytest.raises(WebSocketDisconnect, match="1008"):
            page.until("never")
    assert client.get("/api/live").json()["state"] == "stopped"


def test_bypass_mute_and_recording(client: TestClient, home: Path) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        page.start(settings=STEADY)
        page.do("record", what="both")
        page.until("done", did="record")
        page.say(tone(1.0))
        assert page.figures()["record_s"] > 0
        page.do("mute", on=True)
        page.until("done", did="mute")
        page.played.clear()
        page.say(tone(1.2))
        assert not np.concatenate(page.played)[-FRAME * 10 :].any()
        page.do("bypass", on=True)
        page.do("mute", on=False)
        page.until("done", did="mute")
        page.played.clear()
        page.say(tone(1.2))
        frames = np.concatenate(page.played)[-FRAME * 30 :].reshape(30, FRAME)
        level = np.median(np.sqrt(np.mean(frames**2, axis=1)))  # one may hold a seam: busy machine
        assert level == pytest.approx(0.3 / np.sqrt(2), rel=0.03)
        page.do("record", what="off")
        made = page.until("done", did="record")["done"]
    assert made["record_fault"] == ""
    file = Path(made["record_path"])
    assert file.parent == home / "assets" / "audios"
    assert file.stat().st_size == 44 + 4 * round(made["record_s"] * RATE)


def test_another_voice_and_one_that_is_broken(client: TestClient) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        page.start()
        page.do("voice", voice="broken")
        said = page.until("error")
        assert said["message"] == "broken is damaged."
        page.say(tone(0.2))
        assert page.figures()["voice"].endswith("anna.pth")
        page.do("voice", voice="nobody")
        assert "nobody" in page.until("error")["message"]


def test_a_voice_that_cannot_keep_up_is_refused_with_its_cost(client: TestClient) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        said = page.start("slow")
        assert "takes this machine" in said["message"]
        assert "would" in said["hint"]
        assert client.get("/api/live").json()["state"] == "stopped"
        assert page.start("slow", force=True)["say"] == "done"


def test_a_process_that_dies_is_told_and_replaced(client: TestClient) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        said = page.start("deadly")
        assert (said["message"], said["hint"]) == (
            "The live process ended (code 9).",
            "the engine fell over",
        )
        assert page.start()["say"] == "done"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, "other sites"),
        ({"host": "evil.example", "origin": "http://evil.example"}, "address"),
        ({"origin": ""}, "which page"),
        ({"origin": "null"}, "other sites"),
    ],
)
def test_no_other_page_may_listen(client: TestClient, headers: dict[str, str], status: str) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, connect(client, **headers):
        pass
    assert status in refused.value.reason


def test_the_network_needs_the_token(home: Path) -> None:
    access = server.Access("0.0.0.0")
    address = "http://192.168.1.5:6969"
    beyond = TestClient(server.create(access), base_url=address)
    headers = {"origin": address, "host": "192.168.1.5:6969"}
    refused = beyond.websocket_connect("/api/live", headers=headers)
    with pytest.raises(WebSocketDisconnect) as told, refused:
        pass
    assert told.value.reason == "A token is needed."
    with beyond.websocket_connect(f"/api/live?token={access.token}", headers=headers) as socket:
        assert Browser(socket).hello()["say"] == "welcome"


SECRET = "/etc/passwd"


@pytest.mark.parametrize(
    "said",
    [
        "x" * 1_000_000,
        "not json",
        "[]",
        '{"do": "sing"}',
        '{"do": "mute", "on": "yes"}',
        '{"do": "mute", "on": true, "more": 1}',
        '{"do": "start", "voice": "anna", "rate": NaN}',
        '{"do": "start", "voice": "anna", "rate": 1}',
        b"",
        b"RIFF" * 8,
        Frame(0, 0.0, b"\0" * 64).pack(),
    ],
)
def test_what_makes_no_sense_ends_the_socket(client: TestClient, said: str | bytes) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        if isinstance(said, bytes):
            socket.send_bytes(said)
        else:
            socket.send_text(said)
        with pytest.raises(WebSocketDisconnect):
            page.until("never")


@pytest.mark.parametrize(
    "settings",
    [
        {"pth_path": SECRET},
        {"index_path": SECRET},
        {"embedder_model_custom": SECRET},
        {"record_path": SECRET},
        {"pitch": 99},
        {"input_device": "hw:0"},
        {"nonsense": 1},
    ],
)
def test_no_path_comes_over_the_socket(client: TestClient, settings: dict[str, Any]) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        assert page.start(settings=settings)["error"] == "bad_input"
        assert page.start(SECRET)["error"] == "bad_input"


def test_too_many_orders_end_the_socket(client: TestClient) -> None:
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        for _ in range(guest.RATE):
            page.do("stop")
        with pytest.raises(WebSocketDisconnect, match="1008"):
            page.until("never")


def test_the_client_of_the_docs_speaks_and_hears(client: TestClient) -> None:
    """Through the real server and its WebSocket library, which refuses long messages itself."""
    listener = answering.listen("127.0.0.1", 0)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    app = server.create()
    app.state.live.stage.program = PROGRAM
    running = uvicorn.Server(answering.config(app, {}))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    page = (REPOSITORY / "docs" / "live.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import asyncio.*?)```", page, re.DOTALL)
    code = code.replace("127.0.0.1:6969", address).replace('"demo"', '"anna"')
    said = (tone(1.0) * 32767).astype("<i2").tobytes()
    done = subprocess.run([sys.executable, "-c", code], input=said, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    heard = np.frombuffer(done.stdout, "<i2")
    assert len(heard) == RATE
    with pytest.raises(ConnectionClosedError, match="1009"):
        asyncio.run(_too_long(address))
    app.state.live.stage.end()
    running.should_exit = True
    thread.join(LIMIT_S)
    assert not thread.is_alive()


async def _too_long(address: str) -> None:
    link = websockets.connect(f"ws://{address}/api/live", origin=Origin(f"http://{address}"))
    async with link as socket:
        await socket.send("x" * 1_000_000)
        await socket.recv()


def test_buttons_reach_a_browsers_session(client: TestClient) -> None:
    assert client.post("/api/live/mute", json={"on": True}).status_code == 400
    with connect(client) as socket:
        page = Browser(socket)
        page.hello()
        page.start()
        assert client.post("/api/live/mute", json={"on": True}).status_code == 200
        answer = client.post("/api/live/set", json={"settings": {"pitch": 5}})
        assert answer.status_code == 200
        page.say(tone(0.2))
        assert page.figures()["mute"] is True
        assert client.get("/api/live").json()["began"]["live"]["pitch"] == 5
        assert client.post("/api/live/set", json={"settings": {"pitch": 99}}).status_code == 400
        assert client.post("/api/live/stop", json={}).status_code == 200
        assert page.until("state", state="stopped")


def test_https_needs_a_certificate_and_its_key(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("nothing")
    assert answering.encryption(None, None) == {}
    for certificate, key in ((file, None), (None, file)):
        with pytest.raises(BadInput, match=str(file)):
            answering.encryption(certificate, key)
