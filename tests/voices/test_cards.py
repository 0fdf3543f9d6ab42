"""The list of voices: one card each, with what people added and what training measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from rvc import params, server, tasks
from rvc.config import KIT
from rvc.errors import BadInput, NotFound
from rvc.f0 import load
from rvc.voices import cards, sample
from tests import tiny

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
WEBP = b"RIFF\0\0\0\0WEBPVP8 " + b"0" * 40


@pytest.fixture
def anna(home: Path) -> Path:
    folder = home / "logs" / "anna"
    folder.mkdir(parents=True)
    tiny.voice(folder / "anna_1e_10s.pth", seed=1)
    tiny.voice(folder / "anna_2e_20s.pth", seed=2)
    tiny.voice(folder / "best.pth", seed=1)
    return folder


@pytest.fixture
def client(home: Path) -> TestClient:
    return TestClient(server.create(), base_url="http://127.0.0.1:6969")


def test_files_of_one_folder_are_versions_of_one_voice(home: Path, anna: Path) -> None:
    tiny.voice(home / "logs" / "bob.pth")
    found = cards.cards()
    assert [(c["name"], c["folder"], c["own"]) for c in found] == [
        ("anna", True, True),
        ("bob", False, True),
    ]
    names = [v["name"] for v in found[0]["versions"]]
    assert names == ["anna best", "anna_2e_20s", "anna_1e_10s"]
    assert found[0]["versions"][1]["bytes"] == (anna / "anna_2e_20s.pth").stat().st_size


def test_scores_of_the_training_stand_beside_the_save_they_are_of(home: Path, anna: Path) -> None:
    shutil.copy(KIT / "demo" / "demo.pth", anna / "demo.pth")
    step = next(v for v in cards.cards()[0]["versions"] if v["name"] == "demo")["step"]
    rows = [
        {"kind": "steps", "step": step, "mel": 1.0},
        {"kind": "validation", "step": step, "epoch": 1, "score": 1.25, "similarity": 0.5},
        {"kind": "validation", "step": step + 1, "epoch": 2, "score": 9.0},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (anna / "metrics.jsonl").write_text(text + '{"kind": "validation", "st')
    found = {v["name"]: v for v in cards.cards()[0]["versions"]}
    assert (found["demo"]["score"], found["demo"]["similarity"]) == (1.25, 0.5)
    assert found["anna_1e_10s"]["score"] is None


def test_tags_and_picture_are_kept_and_served(home: Path, anna: Path, client: TestClient) -> None:
    answer = client.put("/api/voices/anna/tags", json={"tags": [" warm  low ", "warm low", "me"]})
    assert answer.json() == {"tags": ["warm low", "me"]}
    for data, kind in ((PNG, "image/png"), (WEBP, "image/webp")):
        assert client.put("/api/voices/anna/picture", content=data).status_code == 200
        shown = client.get("/api/voices/anna/picture")
        assert (shown.content, shown.headers["content-type"]) == (data, kind)
    assert len(list(anna.glob("picture.*"))) == 1
    card = client.get("/api/voices/cards").json()[0]
    assert card["tags"] == ["warm low", "me"]
    assert card["picture"]
    client.put("/api/voices/anna/picture", content=b"")
    assert client.get("/api/voices/anna/picture").status_code == 404
    assert client.get("/api/voices/cards").json()[0]["picture"] is None


def test_what_is_no_picture_or_no_tag_is_refused(
    home: Path, anna: Path, client: TestClient
) -> None:
    for data in (b"<svg onload=alert(1)>", b"GIF89a", PNG + b"0" * (2 << 20)):
        assert client.put("/api/voices/anna/picture", content=data).status_code == 400
    assert not list(anna.glob("picture*"))
    with pytest.raises(BadInput, match="tags"):
        cards.set_tags("anna", ["x" * 40])
    with pytest.raises(BadInput, match="tags"):
        cards.set_tags("anna", [str(n) for n in range(13)])
    with pytest.raises(NotFound):
        cards.set_tags("dora", ["x"])
    (anna / "card.json").write_text("{")
    assert cards.cards()[0]["tags"] == []


def test_a_loose_voice_is_told_how_to_get_a_folder(home: Path) -> None:
    (home / "logs").mkdir()
    tiny.voice(home / "logs" / "bob.pth")
    with pytest.raises(BadInput, match="folder of its own"):
        cards.set_tags("bob", ["x"])


def test_a_sample_is_made_once_at_the_pitch_of_the_voice_and_survives_renaming(
    home: Path, client: TestClient
) -> None:
    folder = home / "logs" / "ada"
    shutil.copytree(KIT / "demo", folder)
    pth, table = folder / "demo.pth", folder / "demo.index"
    ask = {"pth_path": str(pth)}
    assert client.get("/api/voices/sample", params=ask).status_code == 404
    p = params.VoiceSample(pth_path=pth, index_path=table, gpu="-")
    made = sample.file_of(pth)
    assert tasks.run("voice-sample", p)["output_path"] == str(made)
    wave, rate = soundfile.read(made)
    assert abs(len(wave) / rate - sample.SECONDS) < 0.05
    wave_16k = np.interp(np.arange(0, len(wave), rate / 16000), np.arange(len(wave)), wave)
    pitch = load("fcpe")(wave_16k.astype(np.float32))
    assert 0.3 < np.mean(pitch > 0) < 0.95
    heard = client.get("/api/voices/sample", params=ask)
    assert heard.content == made.read_bytes()
    changed = made.stat().st_mtime_ns
    tasks.run("voice-sample", p)
    assert made.stat().st_mtime_ns == changed
    assert client.get("/api/voices/cards").json()[0]["versions"][0]["sample"]
    tasks.run("rename-voice", params.RenameVoice(model_name="ada", new_name="eva"))
    assert client.get("/api/voices/cards").json()[0]["versions"][0]["sample"]


def test_samples_of_other_files_are_not_told_apart(home: Path, client: TestClient) -> None:
    secret = home / "secret.txt"
    secret.write_text("x")
    for path in (secret, home / "nothing"):
        answer = client.get("/api/voices/sample", params={"pth_path": str(path)})
        assert answer.status_code == 404


def test_voices_of_one_size_and_time_have_samples_of_their_own(home: Path, anna: Path) -> None:
    import os

    one, two = anna / "anna_1e_10s.pth", anna / "anna_2e_20s.pth"
    two.write_bytes(two.read_bytes()[: one.stat().st_size].ljust(one.stat().st_size, b"0"))
    for file in (one, two):
        os.utime(file, ns=(10**18, 10**18))
    assert sample.file_of(one) != sample.file_of(two)
    assert sample.file_of(one) == sample.file_of(one)


def test_voices_are_listed_without_torch(home: Path, anna: Path) -> None:
    code = (
        "import sys; from rvc.voices import cards; cards.cards(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_facts_are_kept_for_the_next_process_until_the_file_changes(home: Path, anna: Path) -> None:
    assert cards.cards()[0]["versions"][0]["sr"] == 40000
    kept = home / ".cache" / "voices.json"
    rows = json.loads(kept.read_text())
    assert set(rows) == {str(f) for f in anna.glob("*.pth")}
    for row in rows.values():
        row[2]["sr"] = 12345
    kept.write_text(json.dumps(rows))
    tiny.voice(anna / "best.pth", sample_rate=48000)
    code = "from rvc.voices import cards; print(*(v['sr'] for v in cards.cards()[0]['versions']))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["48000", "12345", "12345"]
