"""Songs over HTTP, as the README shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from rvc import server
from rvc.config import REPOSITORY
from tests.songs import band


def test_the_example_of_the_readme_separates(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    example = re.search(r"curl \"http://[^/]+(/api/separate[^\"]*)\" --json '([^']+)'", text)
    assert example is not None
    monkeypatch.chdir(home)
    (home / "assets" / "audios").mkdir(parents=True)
    band.write(home / "song.wav", band.mixed(0.5))
    client = TestClient(server.create(), base_url="http://127.0.0.1:6969")
    job = client.post(example[1], json=json.loads(example[2])).json()
    assert job["state"] == "done", job
    stems = [
        soundfile.read(job["result"][s], dtype="int32")[0] for s in ("vocals", "accompaniment")
    ]
    song = soundfile.read(home / "song.wav", dtype="int32")[0]
    assert np.array_equal(sum(part.astype(np.int64) for part in stems), song)
    missing = client.post("/api/cover", json={"input_path": "song.wav"})
    assert missing.status_code == 422
    assert "--pth-path" in missing.text
