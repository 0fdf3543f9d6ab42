"""The whole program, page included, against the attacks that programs of its kind have known."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from gradio import networking
from starlette.testclient import TestClient

import app
from rvc import config, jobs, server, tasks
from rvc.config import REPOSITORY
from rvc.errors import BadInput, NotFound
from rvc.params import ImportVoice, Infer, ModelConvert, ModelEdit, Tensorboard, Tts
from rvc.params.base import base_type, reads, writes
from rvc.server import fence, recordings
from rvc.voices import library
from tests.hub.hosts import Host

HERE = "http://127.0.0.1:6969"
FILES = ("audio", "file", "uploadbutton")


class Client(TestClient):
    """What talks to the program, and the program's folder."""

    home: Path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The program as it is served, over a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    before = dict(os.environ)
    os.environ |= {"RVC_HOME": str(home), "RVC_OFFLINE": "1"}
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        whole = app.create(server.Access())
        with Client(whole, base_url=HERE) as client:
            client.home = home
            yield client
    os.environ.clear()
    os.environ |= before


def call(client: TestClient, name: str, *values: object) -> str:
    """What an endpoint of the page answers: its error, or its data."""
    sent = client.post(f"/gradio_api/call/{name}", json={"data": list(values)})
    if sent.status_code != 200:
        return sent.text
    return client.get(f"/gradio_api/call/{name}/{sent.json()['event_id']}").text


# CVE-2025-27774 to 27777, 2026-28416: the server fetches what a form names
def test_no_form_makes_the_server_fetch_an_address(page: Client) -> None:
    host = Host({"x.json": b'{"pitch": 1}'})
    try:
        link = {"path": f"{host.url}/x.json", "url": f"{host.url}/x.json", "orig_name": "x.json"}
        said = call(page, "import_preset", link | {"meta": {"_type": "gradio.FileData"}})
        assert "error" in said
        said = call(page, "download", f"{host.url}/voice.zip", "")
        job = json.loads(said.partition("data: ")[2])[0]
        assert ended(page, job)["state"] == "failed"
        assert host.asked == []
    finally:
        host.close()


# CVE-2025-27784, 27785, 2026-28414: files that are read through a component
@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../etc/passwd", "{home}/secret.json"])
def test_no_component_takes_a_file_that_was_not_uploaded(page: Client, path: str) -> None:
    (page.home / "secret.json").write_text('{"pitch": 1}')
    path = path.format(home=page.home)
    file = {"path": path, "orig_name": "x.json", "meta": {"_type": "gradio.FileData"}}
    assert "error" in call(page, "import_preset", file)
    assert page.get(f"/gradio_api/file={path}").status_code in (403, 404)
    shown = page.get("/config").json()
    kinds = {c["id"]: c["type"] for c in shown["components"]}
    takers = [d for d in shown["dependencies"] if kinds.get((*d["inputs"], 0)[0]) in FILES]
    assert len(takers) >= 5
    for taker in takers:
        given: list[Any] = [[file] if kinds[taker["inputs"][0]] == "file" else file]
        given += [None] * (len(taker["inputs"]) - 1)
        body = {"fn_index": taker["id"], "data": given, "session_hash": "s"}
        assert page.post("/gradio_api/run/predict", json=body).status_code != 200
    copied = [f.name for f in (page.home / ".cache").rglob("*") if f.is_file()]
    assert not {"passwd", "secret.json"} & set(copied)


# Gradio: a page that was uploaded must not run as one of ours
@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.wav"])
def test_what_was_uploaded_is_never_shown_as_a_page(page: Client, name: str) -> None:
    evil = b"<script>alert(1)</script>"
    (path,) = page.post("/gradio_api/upload", files={"files": (name, evil)}).json()
    answer = page.get(f"/gradio_api/file={path}")
    kind = answer.headers["content-type"]
    attached = "attachment" in answer.headers.get("content-disposition", "")
    assert answer.status_code == 403 or attached or kind.startswith("audio/")


# w-okada 1114: a page on another site
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/call/convert"),
        ("POST", "/gradio_api/run/predict"),
        ("GET", "/gradio_api/info"),
        ("GET", "/config"),
        ("GET", "/"),
    ],
)
def test_the_page_answers_no_other_site(page: Client, method: str, path: str) -> None:
    assert page.request(method, path, headers={"origin": "http://evil.example"}).status_code == 403
    assert page.request(method, path, headers={"host": "evil.example"}).status_code == 403
    if method == "POST":
        cross = {"sec-fetch-site": "cross-site"}
        assert page.request(method, path, headers=cross).status_code == 403


def test_nobody_outside_hears_of_the_page(page: Client) -> None:
    shown = page.get("/config").json()
    assert not shown.get("analytics_enabled")
    assert not shown.get("space_id")
    text = json.dumps(shown["components"])
    assert '"share"' not in text
    assert "huggingface.co/spaces" not in text


def test_the_page_listens_on_this_machine_unless_told_otherwise() -> None:
    chosen = app.main.make_context("app", []).params
    assert chosen["server_name"] == "127.0.0.1"
    assert chosen["share"] is False
    assert server.Access().local


@pytest.mark.parametrize(
    ("offline", "said"), [("", "could not be opened: no route. Without"), ("1", "offline is set")]
)
def test_a_link_that_cannot_be_opened_is_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, offline: str, said: str
) -> None:
    asked = []

    def fail(*given: object) -> None:
        asked.append(given)
        raise RuntimeError("no route.")

    monkeypatch.setattr(networking, "setup_tunnel", fail)
    monkeypatch.setenv("RVC_OFFLINE", offline)
    with pytest.raises(click.ClickException, match=said):
        app._share(6969, server.Access(public=True))
    assert len(asked) == (not offline)


# CVE-2025-27782, 27783: results where a form says
def test_every_path_is_known_to_be_read_or_written() -> None:
    for name, verb in tasks.VERBS.items():
        for field, declared in verb.params.model_fields.items():
            if base_type(declared.annotation)[0].__name__ == "Path":
                assert reads(declared) != writes(declared), f"{name}: {field}"
                extra = declared.json_schema_extra
                assert isinstance(extra, dict)
                assert "reads" in extra or "writes" in extra, f"{name}: {field}"


# what is written without being asked for, beside an input that lies elsewhere
@pytest.mark.parametrize("confined", [False, True])
def test_no_verb_writes_beside_an_input_outside_the_output_folders(
    home: Path, tmp_path: Path, confined: bool
) -> None:
    guard = fence.Fence(confined)
    elsewhere = home / "rvc" / "models" / "x" if confined else tmp_path / "elsewhere"
    inside = home / "logs" / "anna" / "anna.pth"
    kinds = [v.params for v in tasks.VERBS.values() if "pth_path" in v.params.model_fields]
    implied = 0
    for kind in kinds:
        required = {name for name, field in kind.model_fields.items() if field.is_required()}
        if required != {"pth_path"}:
            continue
        for source in (elsewhere / "my voice.pth", inside):
            p = guard.check(kind.model_validate({"pth_path": source}))
            for field, usual in p.implied_outputs().items():
                target = getattr(p, field) or usual
                implied += 1
                assert any(target.resolve().is_relative_to(o) for o in guard.outputs()), kind
                assert (target == usual) == (source == inside)
    assert implied == 6


def test_a_copy_in_logs_takes_the_place_of_no_file(home: Path, tmp_path: Path) -> None:
    edit, guard = ModelEdit(pth_path=tmp_path / "v.pth", author="x"), fence.Fence()
    first = home / "logs" / "v" / "v.pth"
    assert guard.check(edit).output_path == first
    first.write_text("mine")
    second = guard.check(edit).output_path
    assert second is not None
    assert second.parent == first.parent
    assert second != first
    made = guard.check(ModelConvert(pth_path=tmp_path / "v.pth")).output_path
    assert made is not None
    assert made.suffix == ".safetensors"


@pytest.mark.parametrize("path", ["{}/x", "../x.wav", r"\\?\C:\x", "~/x", "C:foo", "//host/x"])
@pytest.mark.parametrize("field", ["output_path", "f0_export"])
def test_results_stay_in_the_output_folders(
    home: Path, tmp_path: Path, path: str, field: str
) -> None:
    values = {"input_path": "a", "pth_path": "b", "output_path": home / "assets" / "audios" / "c"}
    asked = Infer.model_validate(values | {field: path.format(tmp_path)})
    with pytest.raises(BadInput, match=field):
        fence.Fence().check(asked)


# CVE-2025-27786: a file is deleted because it was named as a result
def test_a_file_that_a_request_names_survives_it(page: Client) -> None:
    sentinel = page.home / "sentinel.wav"
    sentinel.write_text("mine")
    for field in ("output_tts_path", "output_rvc_path"):
        values = {"tts_text": "x", "pth_path": "no.pth", field: str(sentinel)}
        assert page.post("/api/tts", json=values).status_code == 400
    inside = page.home / "assets" / "audios" / "kept.wav"
    inside.write_text("mine")
    values = {"tts_text": "x", "pth_path": "no.pth", "output_rvc_path": str(inside)}
    job = page.post("/api/tts?wait_s=60", json=values).json()
    assert job["state"] == "failed"
    assert sentinel.read_text() == inside.read_text() == "mine"


# CVE-2025-43842 to 43844, GPT-SoVITS 1770: names that a shell would run
@pytest.mark.parametrize("name", ['x" & touch {} & "', "$(touch {})", "x; touch {}", "../../{}"])
def test_names_are_never_run_nor_followed(page: Client, name: str) -> None:
    mark = page.home / "ran"
    values = {"model_name": name.format(mark), "dataset_path": "x", "sample_rate": 40000}
    answer = page.post("/api/preprocess?wait_s=60", json=values)
    assert answer.status_code == 400
    assert "cannot be used" in answer.json()["message"]
    assert not mark.exists()
    assert not any((page.home / "logs").glob(f"*{shlex.quote('touch')}*"))


# 2.4: from the network, inputs too stay in the program's own folders
def test_from_the_network_nothing_else_of_this_machine_is_read(home: Path, tmp_path: Path) -> None:
    confined = fence.Fence(confined=True)
    values: dict[str, Any] = {"pth_path": home / "logs" / "v.pth"}
    for place in (str(tmp_path), "~", "../x", "tests"):
        with pytest.raises(BadInput, match="source"):
            confined.check(ImportVoice(source=place))
    for field in ("tts_voice", "embedder_model_custom"):
        with pytest.raises(BadInput, match=field):
            confined.check(Tts(tts_text="x", **values | {field: f"{tmp_path}/x.onnx"}))
    with pytest.raises(BadInput, match="host"):
        confined.check(Tensorboard(host="0.0.0.0"))
    confined.check(ImportVoice(source="https://example.org/voice.zip"))
    confined.check(ImportVoice(source=str(fence.dropped() / "voice.zip")))
    confined.check(Tts(tts_text="x", tts_voice="en_GB-alan-medium", **values))


def ended(client: TestClient, job: str, limit_s: float = 60) -> dict[str, Any]:
    end = time.monotonic() + limit_s
    while (now := client.get(f"/api/jobs/{job}").json())["state"] not in jobs.FINISHED:
        assert time.monotonic() < end, now
        time.sleep(0.2)
    return dict(now)


def test_versions_with_known_holes_are_not_installed() -> None:
    pinned = dict(
        line.split(";")[0].strip().split("==")
        for line in (REPOSITORY / "requirements.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    least = {"gradio": (6, 7), "torch": (2, 10)}
    for name, version in least.items():
        assert tuple(int(part) for part in pinned[name].split(".")[:2]) >= version


@pytest.mark.parametrize("confined", [False, True])
def test_what_ships_is_offered_and_may_be_used_wherever_the_data_lies(
    home: Path, monkeypatch: pytest.MonkeyPatch, confined: bool
) -> None:
    monkeypatch.setattr(config, "SHIPPED", config.KIT)
    guard = fence.Fence(confined)
    (voice,) = library.voices()
    (row,) = recordings.Recordings(guard).listing()["recordings"]
    assert (voice.name, row["name"]) == ("demo", "sample.flac")
    made = home / "assets" / "audios" / "made.wav"
    asked = Infer(input_path=row["path"], output_path=made, pth_path=voice.pth)
    assert guard.check(asked).pth_path == voice.pth
    assert guard.served("demo/sample.flac") == Path(row["path"])
    assert recordings.Recordings(guard).facts(row["path"])["seconds"] > 10
    passed = Path(row["path"]).parent / ".." / ".." / ".." / "config.py"
    if confined:
        with pytest.raises(NotFound):
            recordings.Recordings(guard).facts(str(passed))
