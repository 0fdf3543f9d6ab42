"""Text to speech: three engines, one conversion; a failed request converts nothing old."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from aiohttp import web
from onnx import TensorProto, helper, numpy_helper

from rvc import Report, params, tasks
from rvc.audio import io
from rvc.errors import BadInput, DownloadFailed, MissingModel
from rvc.hub import fetch
from rvc.infer import infer
from rvc.tts import edge, espeak, piper, sentences, speak
from tests import tiny
from tests.fakes import FakeEmbedder
from tests.hub import hosts
from tests.infer.conftest import fake_networks  # noqa: F401

RATE = 16000
Tts = Callable[..., dict[str, Any]]


@pytest.fixture
def tts(home: Path, fake_networks: FakeEmbedder) -> Tts:  # noqa: F811
    """Run the verb on a tiny voice."""
    pth = tiny.voice(home / "v.pth")

    def run(**options: Any) -> dict[str, Any]:
        options = {"gpu": "-", "seed": 1, **options}
        return tasks.run("tts", params.Tts(pth_path=pth, **options))

    return run


@pytest.fixture
def piper_voice(home: Path) -> Path:
    """A voice that hums one tone per phoneme, 256 samples each."""
    table = numpy_helper.from_array(np.linspace(-1, 1, 256, dtype=np.float32)[None], "table")
    nodes = [
        helper.make_node("Cast", ["input"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["t", "table"], ["m"]),
        helper.make_node("Reshape", ["m", "shape"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    shape = numpy_helper.from_array(np.array([1, 1, -1]), "shape")
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "k"])
    graph = helper.make_graph(nodes, "hum", inputs, [output], [table, shape])
    opset = [helper.make_opsetid("", 17)]
    path = home / "hum.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    letters = "_^$ .,?!" + "abcdefghijklmnopqrstuvwxyz" + "əɐɪʊʌɛɔɑæðθʃʒŋɹɡˈˌː"
    config = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "phoneme_id_map": {letter: [i] for i, letter in enumerate(letters)},
        "num_speakers": 1,
        "inference": {"noise_scale": 0.6, "length_scale": 1.0, "noise_w": 0.8},
    }
    (home / "hum.onnx.json").write_text(json.dumps(config))
    return path


def test_espeak_speaks_and_says_phonemes() -> None:
    wave, rate = espeak.speak("One two three.", "en-us")
    slow, _ = espeak.speak("One two three.", "en-us", -50)
    assert rate > 8000
    assert 0.5 * rate < len(wave) < 4 * rate
    assert 0.05 < np.abs(wave).max() <= 1
    assert len(slow) > 1.3 * len(wave)
    assert espeak.phonemes("test", "en-us").replace("ˈ", "") == "tɛst"
    assert espeak.phonemes("test", "de") != ""


@pytest.mark.parametrize("voice", ["en", "en-gb", "EN-US", "en-us+f3", "en-gb+m3", "de", "fr-fr"])
def test_espeak_knows_voices_by_language(voice: str) -> None:
    assert len(espeak.speak("hello", voice)[0]) > 1000


@pytest.mark.parametrize(("text", "voice"), [("hello", "xx-none"), ("...", "en"), (" ", "en")])
def test_espeak_says_what_is_wrong(text: str, voice: str) -> None:
    with pytest.raises(BadInput):
        espeak.speak(text, voice)


def test_text_becomes_speech_becomes_the_voice(tts: Tts, home: Path) -> None:
    done = tts(tts_text="Good morning.")
    assert done["engine"] == "espeak"
    speech, rate = io.load(done["speech_path"])
    result, result_rate = io.load(done["output_path"])
    assert result_rate == 40000
    assert len(result) / result_rate == pytest.approx(len(speech) / rate, abs=0.02)
    assert np.abs(result).max() > 0.01


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_a_file_replaces_the_text(home: Path, encoding: str) -> None:
    (home / "t.txt").write_text("Grüße", encoding=encoding)
    p = params.Tts(tts_file=home / "t.txt", tts_text="no", pth_path=home / "v.pth")
    assert speak._text(p) == "Grüße"


def test_two_at_once_convert_each_its_own_speech(
    tts: Tts, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both use the usual file of the speech; the second writes it before the first converts."""
    long, both = "one two three four five six seven eight nine ten " * 3, threading.Barrier(2)
    convert, made = infer.infer, {}

    def late(p: params.Infer, report: Report) -> dict[str, Any]:
        both.wait(60)
        return convert(p, report)

    def call(name: str, text: str) -> None:
        target = home / f"{name}.wav"
        made[name] = tts(tts_text=text, tts_engine="espeak", output_rvc_path=target)

    monkeypatch.setattr(infer, "infer", late)
    calls = [threading.Thread(target=call, args=a) for a in (("long", long), ("short", "no"))]
    for thread in calls:
        thread.start()
    for thread in calls:
        thread.join(120)
    assert made["long"]["seconds"] > 5 > 2 > made["short"]["seconds"]
    assert not list((home / "cache").glob("tts-*"))


def test_no_text_is_refused(tts: Tts, home: Path) -> None:
    (home / "empty.txt").write_text(" \n")
    for options in ({}, {"tts_text": "  "}, {"tts_file": home / "empty.txt"}):
        with pytest.raises(BadInput, match="no text"):
            tts(**options)


def test_piper_speaks_sentence_by_sentence(piper_voice: Path) -> None:
    wave, rate = piper.speak("Hello there. And again!", str(piper_voice))
    one, _ = piper.speak("Hello there.", str(piper_voice))
    assert rate == RATE
    assert len(wave) > 1.5 * len(one)
    pause = int(piper.PAUSE_S * RATE)
    assert not wave[-pause:].any()
    assert 0 < np.abs(wave).max() <= 1


def test_piper_voices_are_named_or_refused(home: Path, piper_voice: Path) -> None:
    with pytest.raises(MissingModel, match="offline"):
        piper.speak("Hello", "en_GB-alan-medium")
    with pytest.raises(BadInput, match="no piper voice"):
        piper.speak("Hello", "nobody")
    good = piper_voice.read_bytes()
    piper_voice.write_bytes(b"nonsense")
    with pytest.raises(BadInput, match=r"hum\.onnx"):
        piper.speak("Hello", str(piper_voice))
    piper_voice.write_bytes(good)
    (home / "hum.onnx.json").write_text("{}")
    with pytest.raises(BadInput, match=r"hum\.onnx"):
        piper.speak("Hello", str(piper_voice))
    (home / "hum.onnx.json").unlink()
    with pytest.raises(BadInput, match="json"):
        piper.speak("Hello", str(piper_voice))


def test_a_piper_voice_that_reads_other_files_is_refused(home: Path, piper_voice: Path) -> None:
    model = onnx.load(str(piper_voice))
    table = model.graph.initializer[0]
    table.data_location = TensorProto.EXTERNAL
    entry = table.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    table.ClearField("raw_data")
    piper_voice.write_bytes(model.SerializeToString())
    with pytest.raises(BadInput, match="beyond its own file"):
        piper.speak("Hello", str(piper_voice))


def test_piper_voices_are_fetched_once_from_the_users_mirror(
    home: Path, piper_voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "en_GB-alan-medium"
    made = hosts.Host(
        {f"en/en_GB/alan/medium/{name}.onnx{end}": Path(f"{piper_voice}{end}").read_bytes()
         for end in ("", ".json")}
    )  # fmt: skip
    monkeypatch.setenv("RVC_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setattr(fetch, "MIRRORS", ())
    made.faults += [None, hosts.drop(300)]
    try:
        for _ in range(2):
            wave, _rate = piper.speak("Hello there.", name)
            assert len(wave)
    finally:
        made.close()
    assert piper.installed() == [name]
    paths = [path for path, _ in made.asked]
    assert len(paths) == 3  # the settings, half the voice, the other half
    assert all(path.startswith("/rhasspy/piper-voices/resolve/main/en/en_GB/") for path in paths)


@pytest.mark.parametrize(
    ("voice", "engine"),
    [
        ("en-US-AriaNeural", "edge"),
        ("EN-gb-sonianeural", "edge"),
        ("zh-CN-liaoning-XiaobeiNeural", "edge"),
        ("en_US-lessac-medium", "piper"),
        ("/voices/me.onnx", "piper"),
        ("en", "espeak"),
        ("de+f3", "espeak"),
    ],
)
def test_the_engine_is_told_by_the_voice(voice: str, engine: str) -> None:
    assert speak.engine_of(params.Tts(pth_path=Path("v.pth"), tts_voice=voice)) == engine


def test_a_failed_request_converts_nothing_old(
    tts: Tts, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVC_OFFLINE", "0")
    old = home / "assets" / "audios" / "tts.wav"
    old.parent.mkdir(parents=True)
    io.save(old, np.zeros(16000, np.float32), 16000)
    result = home / "assets" / "audios" / "tts_output.wav"

    def broken(*_: object) -> None:
        raise DownloadFailed("no connection")

    monkeypatch.setattr(edge, "_ask", broken)
    with pytest.raises(DownloadFailed):
        tts(tts_text="Hello", tts_voice="en-US-AriaNeural")
    assert not result.exists()


def test_edge_says_once_that_the_text_leaves(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("RVC_OFFLINE", "0")
    io.save(tmp_path / "a.mp3", np.sin(np.arange(24000) / 20).astype(np.float32) / 2, 24000)
    monkeypatch.setattr(edge, "_ask", lambda *_: (tmp_path / "a.mp3").read_bytes())
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            wave, rate = edge.speak("Hello", "en-US-AriaNeural")
    assert rate == 24000
    assert len(wave) == pytest.approx(24000, abs=3000)
    assert [r.message for r in caplog.records].count(caplog.records[0].message) == 1
    assert "Microsoft" in caplog.text


def test_edge_asks_nobody_offline(home: Path) -> None:
    with pytest.raises(MissingModel, match="offline"):
        edge.speak("Hello", "en-US-AriaNeural")


class Service:
    """Microsoft's speech service as far as its client knows it, on this machine.

    Attributes:
        asked: the texts that came. ends: whether it says that a speech is over.
    """

    def __init__(self, sound: bytes) -> None:
        self.sound, self.ends = sound, True
        self.asked: list[str] = []
        self.loop, ready = asyncio.new_event_loop(), threading.Event()

        async def answer(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.receive_str()
            said = await socket.receive_str()
            self.asked.append(re.sub(r"<[^>]+>", "", said.split("\r\n\r\n", 1)[1]))
            if "Nobody" not in said:
                head = b"X-RequestId:1\r\nContent-Type:audio/mpeg\r\nPath:audio\r\n"
                await socket.send_bytes(len(head).to_bytes(2, "big") + head + self.sound)
            if self.ends:
                await socket.send_str("Path:turn.end\r\n\r\n{}")
            await socket.close()
            return socket

        async def serve() -> None:
            app = web.Application()
            app.router.add_get("/speak", answer)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            ready.set()

        def run() -> None:
            self.loop.run_until_complete(serve())
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        assert ready.wait(10)


@pytest.fixture
def service(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    import edge_tts.communicate

    io.save(tmp_path / "a.mp3", np.sin(np.arange(24000) / 20).astype(np.float32) / 2, 24000)
    made = Service((tmp_path / "a.mp3").read_bytes())
    url = f"ws://127.0.0.1:{made.port}/speak?a=b"
    monkeypatch.setattr(edge_tts.communicate, "WSS_URL", url)
    monkeypatch.setenv("RVC_OFFLINE", "0")
    yield made
    made.loop.call_soon_threadsafe(made.loop.stop)


def test_edge_speaks_long_texts_piece_by_piece(service: Service) -> None:
    text = "This is a sentence. " * 400
    wave, rate = edge.speak(text, "en-US-AriaNeural", 10)
    assert len(service.asked) == 3
    assert " ".join(service.asked).split() == text.split()
    assert rate == 24000
    assert len(wave) == pytest.approx(3 * 24000, rel=0.1)


def test_a_speech_that_is_cut_off_is_no_speech(service: Service, tts: Tts) -> None:
    service.ends = False
    with pytest.raises(DownloadFailed, match="could not be reached"):
        tts(tts_text="Hello there.", tts_voice="en-US-AriaNeural")
    service.ends = True
    with pytest.raises(BadInput, match="cannot speak"):
        edge.speak("Hello.", "xx-XX-NobodyNeural")
    assert tts(tts_text="Hello there.", tts_voice="en-US-AriaNeural")["engine"] == "edge"


def test_sentences_end_where_a_speaker_takes_breath() -> None:
    text = 'It costs 3.5 at 12:30, see example.org. "Really?" she said!\nNew line。没有空格！Done'
    assert sentences.split(text) == [
        "It costs 3.5 at 12:30, see example.org.",
        '"Really?" she said!',
        "New line。",
        "没有空格！",
        "Done",
    ]
    long = "word " * 500 + "x" * 900 + ", and the end. Short."
    cut = sentences.pieces(long, 300)
    assert all(0 < len(piece.encode()) <= 300 for piece in cut)
    assert "".join("".join(cut).split()) == "".join(long.split())
    assert sentences.pieces("a. b. c.", 100) == ["a. b. c."]
