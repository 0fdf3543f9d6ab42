"""The HTTP side: verbs as routes, the same complaints as the command line, and who is let in."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from rvc import cli, device, jobs, params, server, tasks
from rvc.dataset import manifest
from rvc.errors import (
    BadInput,
    Busy,
    DownloadFailed,
    Mismatch,
    MissingModel,
    NotFound,
    StorageFailed,
    VoiceError,
)
from rvc.hub import links
from rvc.server import fence, machine, pace, progress, routes, uploads
from tests import hostile, tiny
from tests.jobs.fake_jobs import VERBS

HERE = "http://127.0.0.1:6969"
Remote = tuple[TestClient, str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RVC_HOME", str(tmp_path))
    monkeypatch.setattr(tasks, "VERBS", tasks.VERBS | VERBS)
    monkeypatch.setattr(jobs, "RUNNER", ["-m", "tests.jobs.fake_jobs"])
    yield tmp_path
    for job in jobs.listing():
        jobs.cancel(job["id"], grace_s=0)


@pytest.fixture
def client(home: Path) -> TestClient:
    return TestClient(server.create(), base_url=HERE)


@pytest.fixture
def remote(home: Path) -> Remote:
    access = server.Access(server_name="0.0.0.0")
    assert access.token
    return TestClient(server.create(access), base_url="http://192.168.1.5:6969"), access.token


def test_every_verb_is_a_route(client: TestClient) -> None:
    routes = client.get("/api/openapi.json").json()["paths"]
    assert {f"/api/{verb}" for verb in tasks.VERBS} <= set(routes)
    assert (
        client.get("/api/openapi.json").json()["components"]["schemas"]["Infer"]["properties"][
            "pitch"
        ]["maximum"]
        == 24
    )


def test_the_documentation_asks_no_other_host(client: TestClient) -> None:
    page = client.get("/api/docs").text
    assert "/api/infer" in page
    assert "<script" not in page
    assert set(re.findall(r"https?://[^/\"&]+", page)) <= {HERE}


def test_a_verb_runs_as_a_job(client: TestClient, home: Path) -> None:
    answer = client.post("/api/count?wait_s=20", json={"steps": 2, "folder": str(home)})
    assert answer.status_code == 202
    assert answer.json()["state"] == "done"
    job = answer.json()["id"]
    assert client.get(f"/api/jobs/{job}").json()["result"]["steps"] == 2
    assert client.get("/api/jobs").json()[0]["id"] == job
    assert client.get(f"/api/jobs/{job}/log").status_code == 200


def test_a_job_can_be_cancelled(client: TestClient, home: Path) -> None:
    body = {"steps": 10_000, "folder": str(home)}
    job = client.post("/api/count", json=body).json()["id"]
    end = time.monotonic() + 15
    while client.get(f"/api/jobs/{job}").json()["total"] == 0 and time.monotonic() < end:
        time.sleep(0.05)
    assert client.post(f"/api/jobs/{job}/cancel").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    "values", [{"pitch": 99}, {"f0_method": "guess"}, {"protect": "much"}, {"nonsense": 1}]
)
def test_complaints_are_those_of_the_command_line(
    client: TestClient, values: dict[str, Any]
) -> None:
    body = {"input_path": "a.wav", "output_path": "b.wav", "pth_path": "c.pth"} | values
    answer = client.post("/api/infer", json=body)
    with pytest.raises(click.UsageError) as caught:
        cli.build(params.Infer, body)
    assert answer.status_code == 422
    assert answer.json()["message"] == caught.value.message


def test_unknown_jobs_are_a_sentence(client: TestClient) -> None:
    answer = client.get("/api/jobs/nothing")
    assert answer.status_code == 404
    assert "nothing" in answer.json()["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:6969"}, 200),
        ({"host": "[::1]:6969"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "192.168.1.5:6969"}, 403),
        ({"host": ""}, 403),
        ({"origin": HERE}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_host_and_origin(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.get("/api/jobs", headers=headers).status_code == status


def test_a_form_on_another_site_cannot_write(client: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "content-type": "text/plain"}
    assert client.post("/api/count", content="{}", headers=headers).status_code == 403
    headers = {"origin": "http://evil.example"}
    assert client.post("/api/count", json={}, headers=headers).status_code == 403
    assert client.get("/api/jobs").json() == []


@pytest.mark.parametrize(
    ("origin", "let_in"), [(HERE, True), ("http://evil.example", False), ("null", False)]
)
def test_websockets_are_checked_too(home: Path, origin: str, let_in: bool) -> None:
    app = server.create()

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    client = TestClient(app, base_url=HERE)
    headers = {"origin": origin, "host": "127.0.0.1:6969"}
    if let_in:
        with client.websocket_connect("/live", headers=headers) as socket:
            assert socket.receive_text() == "hello"
    else:
        refused = client.websocket_connect("/live", headers=headers)
        with pytest.raises(WebSocketDisconnect), refused:
            pass


def test_loopback_needs_no_token_and_the_network_does() -> None:
    assert server.Access().token is None
    assert len(server.Access(server_name="0.0.0.0").token or "") >= 20
    assert len(server.Access(public=True).token or "") >= 20
    assert server.Access(server_name="0.0.0.0", token="mine").token == "mine"


def test_the_token_opens_the_door(remote: Remote) -> None:
    client, token = remote
    assert client.get("/api/jobs").status_code == 401
    assert "Basic" in client.get("/api/jobs").headers["www-authenticate"]
    assert client.get("/api/jobs", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/api/jobs", headers={"authorization": f"Bearer {token}"}).status_code == 200
    basic = base64.b64encode(f"me:{token}".encode()).decode()
    assert client.get("/api/jobs", headers={"authorization": f"Basic {basic}"}).status_code == 200
    page = client.get(
        f"/?token={token}&a=1", headers={"accept": "text/html"}, follow_redirects=False
    )
    assert page.status_code == 303
    assert page.headers["location"] == "./?a=1"
    assert "HttpOnly" in page.headers["set-cookie"]
    assert client.get("/api/jobs").status_code == 200  # by its cookie


def test_a_public_name_leads_to_a_remote_server_only_if_it_was_allowed(remote: Remote) -> None:
    client, token = remote
    headers = {"authorization": f"Bearer {token}", "host": "rebound.example"}
    refused = client.get("/api/jobs", headers=headers)
    assert refused.status_code == 403
    assert "--allow-host" in refused.json()["hint"]
    allowed = server.create(server.Access("0.0.0.0", token, hosts=("Rebound.example",)))
    answer = TestClient(allowed, base_url=HERE).get("/api/jobs", headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["nas:6969", "nas.local", "rvc.lan:6969", "box.fritz.box"])
def test_names_at_home_and_between_containers_are_known_behind_a_token(
    remote: Remote, client: TestClient, host: str
) -> None:
    beyond, token = remote
    headers = {"host": host, "authorization": f"Bearer {token}"}
    assert beyond.get("/api/jobs", headers=headers).status_code == 200
    assert beyond.get("/api/jobs", headers={"host": host}).status_code == 401
    assert client.get("/api/jobs", headers={"host": host}).status_code == 403


def test_a_further_name_asks_for_a_token() -> None:
    assert server.Access(hosts=("voice.example.com",)).token
    assert server.Access(hosts=("localhost",)).token is None


def test_signing_in_leads_nowhere_else(remote: Remote) -> None:
    client, token = remote
    for path in ("//evil.example/x y", "/a/ü%0d%0aSet-Cookie: b", "/%2F%2Fevil.example"):
        answer = client.get(
            f"{path}?token={token}", headers={"accept": "text/html"}, follow_redirects=False
        )
        assert answer.status_code == 303
        assert re.fullmatch(r"\./[\w%.~-]*", answer.headers["location"])


def test_uploads_are_stored_under_clean_names(client: TestClient, home: Path) -> None:
    sent = client.post("/api/files?name=../../my%20voice!.WAV", content=b"sound").json()
    assert sent["path"] == str(home / "assets" / "audios" / "my voice.wav")
    again = client.post("/api/files?name=my%20voice.wav", content=b"other").json()
    assert again["path"].endswith("my voice 2.wav")
    assert client.get("/api/files/my voice.wav").content == b"sound"
    data = client.post("/api/files?name=a.wav&dataset=anna", content=b"x").json()
    assert data["folder"] == str(home / "assets" / "datasets" / "anna")


@pytest.mark.parametrize("name", ["x.exe", "x.wav.sh", "wav", "x.html", ""])
def test_uploads_of_other_kinds_are_refused(client: TestClient, name: str) -> None:
    assert client.post("/api/files", params={"name": name}, content=b"x").status_code == 400


@pytest.mark.parametrize("sample", [hostile.system, hostile.plain_pickle])
def test_an_uploaded_voice_runs_no_code(
    client: TestClient, home: Path, sample: hostile.Sample
) -> None:
    evil = home / "dropped" / "evil.pth"  # where the page keeps what was dropped on it
    evil.parent.mkdir()
    sample(evil, home / "ran")
    refused = client.post("/api/files?name=evil.pth", content=evil.read_bytes())
    assert refused.status_code == 400
    answer = client.post("/api/import-voice?wait_s=60", json={"source": str(evil)}).json()
    assert answer["state"] == "failed"
    assert "evil.pth" in str(answer["error"])
    assert not (home / "ran").exists()
    assert not list((home / "logs").glob("**/*.pth"))


def test_a_hostile_voice_that_is_called_a_recording_stays_data(
    client: TestClient, home: Path
) -> None:
    """Every sample, sent as sound and then named as voice, as index and as recording."""
    made = {s.__name__: lambda p, s=s: s(p, home / "ran") for s in hostile.SAMPLES}
    for name, write in (made | hostile.SAFETENSORS | hostile.INDEXES).items():
        (home / "made").mkdir(exist_ok=True)
        write(home / "made" / "evil.pth")
        content = (home / "made" / "evil.pth").read_bytes()
        answer = client.post("/api/files?name=evil.wav", content=content)
        assert answer.status_code == (200 if content else 400), name
        if not content:
            continue
        path = answer.json()["path"]
        good = {"input_path": path, "output_path": home / "out.wav", "pth_path": path}
        for verb, given in (("model-information", {"pth_path": path}), ("infer", good),
                            ("audio-analyzer", {"input_path": path})):  # fmt: skip
            with pytest.raises(VoiceError) as told:
                tasks.run(verb, tasks.VERBS[verb].params(**given))
            assert path in told.value.message, name
    assert not (home / "ran").exists()
    assert not (home / "out.wav").exists()


@pytest.mark.parametrize(
    ("verb", "name"),
    [("import-voice", "a hundred gigabytes for faiss"), ("model-information", "no number")],
)
def test_an_uploaded_index_harms_nothing(
    client: TestClient, home: Path, verb: str, name: str
) -> None:
    folder = home / "dropped"
    voice, evil = tiny.voice(folder / "v.pth"), folder / "evil.index"
    hostile.INDEXES[name](evil)
    refused = client.post("/api/files?name=evil.index", content=evil.read_bytes())
    assert refused.status_code == 400
    body = {"pth_path": str(evil)}
    if verb == "import-voice":
        body = {"source": str(voice), "index_path": str(evil)}
    answer = client.post(f"/api/{verb}?wait_s=60", json=body).json()
    assert answer["state"] == "failed"
    assert "evil.index" in str(answer["error"])
    assert not list((home / "logs").glob("**/*.pth"))


@pytest.mark.parametrize("dataset", ["..", "../logs", "/tmp", "a/b", ".hidden"])
def test_datasets_stay_in_their_folder(client: TestClient, home: Path, dataset: str) -> None:
    url = {"name": "a.wav", "dataset": dataset}
    assert client.post("/api/files", params=url, content=b"x").status_code == 400


@pytest.mark.parametrize("content", [b"x" * 11, iter([b"x" * 6, b"x" * 5])], ids=["told", "not"])
def test_too_large_an_upload_leaves_nothing(
    client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 10)
    answer = client.post("/api/files?name=a.wav", content=content)
    assert answer.status_code == 400
    assert "1 GB" in answer.json()["hint"]
    assert "path" in answer.json()["hint"]
    assert list((home / "assets" / "audios").iterdir()) == []


@pytest.mark.parametrize("content", [b" " * 2000, iter([b" " * 1500] * 2)], ids=["told", "not"])
def test_a_body_of_any_request_has_a_limit(home: Path, content: bytes) -> None:
    whole = server.create()
    gate = whole.user_middleware[0]  # the outermost
    gate.kwargs["max_bytes"] = 1000
    client = TestClient(whole, base_url=HERE)
    answer = client.post("/api/count", content=content)
    assert answer.status_code == 413
    assert "1 GB" in answer.json()["hint"]
    assert jobs.listing() == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("x"), 400),
        (NotFound("x"), 404),
        (Mismatch("x"), 422),
        (MissingModel("x"), 424),
        (links.Refused("x"), 502),
        (DownloadFailed("x"), 502),
        (StorageFailed("x"), 507),
        (Busy("x"), 409),
    ],
)
def test_an_answer_tells_the_kind_of_error(
    client: TestClient, error: VoiceError, status: int
) -> None:
    program = server.create()

    @program.get("/api/fails")
    def fail() -> None:
        raise error

    answer = TestClient(program, base_url=HERE).get("/api/fails")
    assert answer.status_code == status
    assert answer.json() == {"error": error.code, "message": "x", "hint": ""}


def test_a_device_that_could_not_be_looked_for_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask() -> tuple[dict[str, str], dict[str, str]]:
        monkeypatch.setattr(machine, "_found", None)
        monkeypatch.setattr(asyncio, "create_subprocess_exec", fail)
        first = await machine.device()
        monkeypatch.undo()
        return first, await machine.device()

    async def fail(*words: object, **more: Any) -> None:
        raise OSError("no more processes")

    first, second = asyncio.run(ask())
    assert first["why"] == "no more processes"
    assert second["device"] != "?"


@pytest.mark.parametrize(
    "name",
    ["../config.json", "..%2F..%2Fsecret.txt", "/etc/passwd", "%2Fetc%2Fpasswd", "link.txt", "a\0"],
)
def test_only_output_folders_are_served(client: TestClient, home: Path, name: str) -> None:
    audios = home / "assets" / "audios"
    audios.mkdir(parents=True)
    (home / "assets" / "config.json").write_text("{}")
    (home / "secret.txt").write_text("hush")
    (audios / "link.txt").symlink_to(home / "secret.txt")
    answer = client.get(f"/api/files/{name}" if "\0" not in name else "/api/files/a%00")
    assert answer.status_code == 404
    assert "hush" not in answer.text


@pytest.mark.parametrize(
    "path", ["../../.bashrc", "/etc/cron.d/x", "~/x.wav", "a\0b.wav", "/proc/self/mem"]
)
def test_results_stay_in_output_folders(client: TestClient, home: Path, path: str) -> None:
    body = {"input_path": "a.wav", "output_path": path, "pth_path": "c.pth"}
    answer = client.post("/api/infer", json=body)
    assert answer.status_code == 400
    assert "output_path" in answer.json()["message"]
    assert jobs.listing() == []


def test_folders_can_be_opened_on_the_command_line(home: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    values = {"input_path": "/x/a.wav", "pth_path": "/x/c.pth", "output_path": music / "b.wav"}
    p = params.Infer.model_validate(values)
    fence.Fence(extra=(music,)).check(p)
    with pytest.raises(BadInput, match="output_path"):
        fence.Fence().check(p)
    with pytest.raises(BadInput, match="input_path"):
        fence.Fence(confined=True, extra=(music,)).check(p)


def test_a_training_tells_what_its_samples_say_and_which_save_is_best(home: Path) -> None:
    folder = home / "logs" / "anna"
    folder.mkdir(parents=True)
    done = manifest.Stage("preprocess", outputs=["x"])
    slices = [f"sliced_audios/0_3_{number}.wav" for number in range(11)]
    done.details = {"sources": {"talks/my interview.flac": {"slices": slices[::-1]}}}
    manifest.record(folder, done)
    for name in ("0_3_10", "0_9_0", "unseen"):
        heard = folder / "eval" / "renders" / "20e" / f"{name}.wav"
        heard.parent.mkdir(parents=True, exist_ok=True)
        heard.touch()
    told = progress.progress("anna")
    samples = {Path(one.pop("path")).stem: one for one in told["samples"]}
    known = {"recording": "my interview", "part": 11, "parts": 11, "number": 1}
    assert samples["0_3_10"] == known | {"unseen": False, "epoch": 20}
    assert samples["0_9_0"] == {"number": 2, "unseen": False, "epoch": 20}
    assert samples["unseen"]["unseen"]
    assert told["best"] is None
    tiny.voice(folder / "best.pth")
    scores = [{"kind": "validation", "step": n, "score": 100 / n} for n in (15, 30, 60)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(s) + "\n" for s in scores))
    assert progress.progress("anna")["best"] == {"epoch": 3, "step": 30, "score": 100 / 30}


def test_a_pace_is_that_of_this_machine_and_device(home: Path) -> None:
    own = {"kind": "plan", "machine": device.machine(), "device": "cpu", "devices": 1}
    own |= {"vocoder": "lite", "sample_rate": 24000, "minutes": 10.0, "expected_epoch_s": 25.0}
    others: list[dict[str, Any]] = [
        {"machine": "another"}, {"device": "cuda:0"}, {"devices": 2}, {"minutes": 0.0},
    ]  # fmt: skip
    assert pace.paces("cpu") == []
    plans = [own | {"expected_epoch_s": 99.0}, own]
    plans += [own | {"vocoder": f"other {n}"} | other for n, other in enumerate(others)]
    plans += [{"kind": "plan", "minutes": 10.0, "expected_epoch_s": 25.0}]  # of older versions
    file = home / "logs" / "anna" / "metrics.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("".join(json.dumps(p) + "\n" for p in plans) + '{"kind": "plan", "mach')
    lite = {"vocoder": "lite", "sample_rate": 24000, "name": "anna"}
    assert pace.paces("cpu") == [lite | {"epoch_s": 2.5}]
    assert [p["vocoder"] for p in pace.paces("cuda:0")] == ["other 1"]


def test_curves_show_what_is_noted_more_often() -> None:
    steps = [{"kind": "steps", "step": 50, "mel": 3.0}]
    epochs = [{"kind": "epoch", "step": n, "mel": 9.0 / n, "norm_g": 1.0} for n in (4, 8)]
    curves = progress._curves([*steps, *epochs, {"kind": "finding", "step": 9, "mel": 0.0}])
    assert curves == {"mel": [[4, 2.25], [8, 1.125]], "norm_g": [[4, 1.0], [8, 1.0]]}
    assert progress._curves(steps * 3)["mel"] == [[50, 3.0]] * 3


@pytest.mark.parametrize("looked_at", [False, True], ids=["before", "after it was looked at"])
def test_a_file_that_is_taken_away_while_it_is_sent_ends_the_answer_only(
    tmp_path: Path, looked_at: bool
) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(bytes(100))
    answer = routes.Download(file, stat_result=file.stat() if looked_at else None)
    file.unlink()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "headers": [], "extensions": {}}
    asyncio.run(answer(scope, receive, send))
    assert not any(message.get("body") for message in sent)
