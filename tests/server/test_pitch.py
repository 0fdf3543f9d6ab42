"""The pitch of recordings as numbers over HTTP, and edited curves kept as files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from rvc import params, server, tasks
from rvc.f0 import curve_file

HERE = "http://127.0.0.1:6969"


@pytest.fixture
def client(home: Path) -> TestClient:
    return TestClient(server.create(), base_url=HERE)


@pytest.fixture
def tone(home: Path) -> Path:
    """A second of a buzz at 200 Hz."""
    file = home / "assets" / "audios" / "tone.wav"
    file.parent.mkdir(parents=True)
    t = np.arange(16000) / 16000
    wave = np.sum([np.sin(2 * np.pi * 200 * k * t) / k for k in range(1, 8)], axis=0)
    soundfile.write(file, 0.2 * wave, 16000)
    return file


def test_a_recording_is_measured_once(client: TestClient, tone: Path) -> None:
    ask = {"path": str(tone), "f0_method": "fcpe"}
    assert client.get("/api/pitch", params=ask).json()["f0_hz"] is None
    job = client.post("/api/pitch", json=ask).json()["id"]
    for _ in range(600):
        state = client.get(f"/api/jobs/{job}").json()["state"]
        if state not in ("starting", "running", "waiting", "queued"):
            break
        time.sleep(0.2)
    assert state == "done"
    told = client.get("/api/pitch", params=ask).json()
    assert told["frame_rate"] == 100
    assert abs(len(told["f0_hz"]) - 100) <= 1
    voiced = [hz for hz in told["f0_hz"] if hz]
    assert abs(np.median(voiced) - 200) < 3
    soundfile.write(tone, np.zeros(800), 16000)
    assert client.get("/api/pitch", params=ask).json()["f0_hz"] is None


def test_without_a_picture_only_the_table_is_written(home: Path, tone: Path) -> None:
    table = home / "logs" / "f.csv"
    p = params.F0Curve(input_path=tone, f0_method="fcpe", csv_path=table, draw=False, gpu="-")
    done = tasks.run("f0-curve", p)
    assert "plot" not in done
    assert "Picture" not in done["message"]
    assert [f.name for f in (home / "logs").iterdir()] == ["f.csv"]


def test_an_edited_curve_is_a_file_that_conversion_reads(client: TestClient) -> None:
    curve = [0.0, 110.5, 220.25, 0.0]
    path = client.post("/api/pitch/file", json={"name": "my song", "f0_hz": curve}).json()["path"]
    assert path.endswith("my song.csv")
    assert curve_file.read(Path(path), 4).tolist() == curve
    told = client.get("/api/pitch/file", params={"path": path, "frames": 6}).json()
    assert told["f0_hz"][:4] == curve
    again = client.post("/api/pitch/file", json={"name": "my song", "f0_hz": curve}).json()["path"]
    assert again != path
    assert client.get(f"/api/files/{path}").status_code == 200


@pytest.mark.parametrize("curve", [[], [-1.0], [5000.0], ["high"]])
def test_what_is_no_curve_is_refused(client: TestClient, home: Path, curve: list[Any]) -> None:
    answer = client.post("/api/pitch/file", json={"name": "x", "f0_hz": curve})
    assert answer.status_code in (400, 422)
    assert not (home / "assets" / "audios" / "pitch").exists()


def test_other_files_are_not_read(home: Path, tmp_path: Path) -> None:
    access = server.Access(server_name="0.0.0.0")
    remote = TestClient(server.create(access), base_url="http://192.168.1.5:6969")
    remote.headers["authorization"] = f"Bearer {access.token}"
    secret = tmp_path / "secret.csv"
    secret.write_text("0.00,100\n0.01,100\n")
    ask: dict[str, Any] = {"path": str(secret), "frames": 2}
    assert remote.get("/api/pitch/file", params=ask).status_code == 404
    assert remote.get("/api/pitch", params=ask | {"f0_method": "fcpe"}).status_code == 404
    (home / "assets" / "audios").mkdir(parents=True)
    inside = home / "assets" / "audios" / "mine.csv"
    inside.write_text(secret.read_text())
    assert remote.get("/api/pitch/file", params=ask | {"path": str(inside)}).status_code == 200
