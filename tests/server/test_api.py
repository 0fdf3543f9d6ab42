"""What a program can ask for: every button by its name, and the example of the README."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
import soundfile
from gradio_client import Client
from gradio_client.exceptions import AppError
from starlette.testclient import TestClient

from rvc import cli, jobs, params, server, tasks
from rvc.config import KIT
from tests.tabs.browsing import REPOSITORY, Server, recording
from tests.tts import fake_engines

RATE = 24000


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real program, with two seconds of speech."""
    home = tmp_path_factory.mktemp("home")
    wave, rate = soundfile.read(KIT / "demo" / "sample.flac")
    soundfile.write(home / "speech.wav", wave[: 2 * rate], rate)
    running = Server(home, program=["app.py"])
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def client(program: Server) -> Client:
    return Client(program.url, verbose=False, analytics_enabled=False)


def end_of(client: Client, job: str) -> dict[str, Any]:
    ended = client.predict(job, 120, api_name="/job")
    assert ended["state"] == "done", ended
    result: dict[str, Any] = ended["result"]
    return result


def test_every_endpoint_says_what_it_does(client: Client) -> None:
    told = client.view_api(return_format="dict", print_info=False)
    named = told["named_endpoints"]
    assert all(len(e["description"]) > 15 for e in named.values()), named
    assert not told["unnamed_endpoints"]
    asked = [p["parameter_name"] for e in named.values() for p in e["parameters"]]
    assert not [name for name in asked if name.startswith("param_")]
    buttons = {"convert", "convert_folder", "create_voice", "tts", "model_blender", "download"}
    assert buttons | {"model_information", "f0_curve", "audio_analyzer", "report"} <= {
        name.strip("/") for name in named
    }


def test_a_conversion_by_the_name_of_its_button(client: Client, program: Server) -> None:
    assert [v["name"] for v in client.predict(api_name="/voices")] == ["demo"]
    speech = str(program.home / "speech.wav")
    job = client.predict(speech, "demo", f0_method="fcpe", pitch=2, api_name="/convert")
    made = end_of(client, job)["output_path"]
    wave, rate = soundfile.read(made)
    assert rate == RATE
    assert abs(len(wave) - 2 * RATE) <= 1
    assert 0.01 < np.sqrt(np.mean(wave**2)) < 0.5


def test_the_page_s_example_of_the_readme_sends_its_file(
    client: Client,
    program: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", text, re.S) if "gradio_client" in c]
    code = code.replace("http://127.0.0.1:6969", program.url).replace("anna best", "demo")
    elsewhere = program.home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "song.flac").write_bytes((program.home / "speech.wav").read_bytes())
    monkeypatch.chdir(elsewhere)
    exec(compile(code, "README.md", "exec"), {})
    assert "song demo.wav" in capsys.readouterr().out
    assert (program.home / "assets" / "audios" / "song.flac").is_file()


def test_a_text_is_spoken_by_the_name_of_its_button(client: Client) -> None:
    job = client.predict(
        "Good morning.", "demo", tts_engine="espeak", f0_method="fcpe", api_name="/tts"
    )
    said = end_of(client, job)
    wave, rate = soundfile.read(said["output_path"])
    assert 0.4 < len(wave) / rate < 3
    assert np.abs(wave).max() > 0.05


def complaint(**wrong: Any) -> str:
    with pytest.raises(click.UsageError) as refused:
        cli.build(params.Conversion, wrong)
    return refused.value.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recording": None}, "No recording is chosen"),
        ({"voice": None}, "No voice is chosen"),
        ({"voice": "../../etc/passwd"}, "not one of the voices"),
        ({"pitch": 99}, complaint(pitch=99)),
        ({"f0_method": "guess"}, complaint(f0_method="guess")),
        ({"export_format": None}, complaint(export_format=None)),
    ],
)
def test_what_is_wrong_is_said_as_on_the_command_line(
    client: Client, program: Server, given: dict[str, Any], said: str
) -> None:
    values = {"recording": str(program.home / "speech.wav"), "voice": "demo"} | given
    with pytest.raises(AppError, match=re.escape(said)):
        client.predict(**values, api_name="/convert")


def test_a_preset_is_saved_by_the_name_of_its_button(client: Client, program: Server) -> None:
    client.predict("mine", pitch=4, api_name="/save_preset")
    assert '"pitch": 4' in (program.home / "assets" / "presets" / "mine.json").read_text()
    for name, values in {"../x": {}, "y": {"pitch": 99}}.items():
        with pytest.raises(AppError, match="name|--pitch"):
            client.predict(name, **values, api_name="/save_preset")
    assert [f.name for f in (program.home / "assets").rglob("*.json")] == ["mine.json"]


def test_a_report_needs_no_story(client: Client) -> None:
    assert "Python" in client.predict(api_name="/report")


def test_an_unknown_job_is_a_sentence(client: Client) -> None:
    with pytest.raises(AppError, match="no job 'nothing'"):
        client.predict("nothing", api_name="/job")


def test_the_example_of_the_readme_is_right(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", text, re.S) if "/api" in c]
    assert len([line for line in code.splitlines() if line]) <= 10
    verbs = ("infer", "create-voice")
    monkeypatch.setattr(tasks, "VERBS", tasks.VERBS | {v: fake_engines.VERBS[v] for v in verbs})
    monkeypatch.setattr(jobs, "RUNNER", ["-m", "tests.tts.fake_engines"])
    monkeypatch.chdir(home)
    for folder in ("recordings", "assets/audios"):
        (home / folder).mkdir(parents=True)
    recording(home / "recordings" / "one.wav")
    recording(home / "song.flac")
    app = TestClient(server.create(), base_url="http://127.0.0.1:6969")
    monkeypatch.setitem(sys.modules, "requests", SimpleNamespace(post=app.post, get=app.get))
    exec(compile(code, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "Trained anna up to epoch" in said
    assert "Converted song.flac" in said
