"""Recordings as the page lists them: length and verdict, taken away and brought back."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from rvc import server
from rvc.server import Access

RATE = 16000


@pytest.fixture
def client(home: Path) -> TestClient:
    app = server.create(Access())
    return TestClient(app, base_url="http://127.0.0.1")


def speech(seconds: float, level: float = 0.3) -> np.ndarray:
    """Bursts of a tone with pauses, over a faint noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(1)
    loud = np.sin(2 * np.pi * 200 * t) * (np.sin(2 * np.pi * 1.5 * t) > 0)
    return np.asarray(level * loud + 1e-4 * rng.standard_normal(len(t)), np.float32)


@pytest.mark.parametrize(
    ("wave", "verdict"),
    [
        (speech(2), "good"),
        (np.zeros(RATE, np.float32), "silent"),
        (speech(2, 0.004), "quiet"),
        (np.clip(5 * speech(2), -1, 1), "clipped"),
        (speech(2) + 0.1 * np.random.default_rng(2).standard_normal(2 * RATE), "noisy"),
    ],
)
def test_what_a_recording_is_good_for(
    client: TestClient, home: Path, wave: np.ndarray, verdict: str
) -> None:
    file = home / "assets" / "audios" / "a.wav"
    file.parent.mkdir(parents=True)
    soundfile.write(file, wave, RATE, subtype="FLOAT")
    found = client.get("/api/recordings/facts", params={"path": str(file)}).json()
    assert found["verdict"] == verdict
    assert found["seconds"] == pytest.approx(len(wave) / RATE, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.5, 3.0, 40.0])
def test_a_recording_can_be_drawn_without_fetching_it(
    client: TestClient, home: Path, seconds: float
) -> None:
    file = home / "assets" / "audios" / "a.wav"
    file.parent.mkdir(parents=True)
    wave = np.linspace(0, 0.8, round(seconds * RATE)).astype(np.float32)
    soundfile.write(file, wave, RATE, subtype="FLOAT")
    peaks = client.get("/api/recordings/facts", params={"path": str(file)}).json()["peaks"]
    assert len(peaks) == 400
    assert np.allclose(peaks, np.linspace(0, 0.8, 400), atol=0.012)


def test_what_cannot_be_read_is_said_without_its_folder(client: TestClient, home: Path) -> None:
    file = home / "assets" / "audios" / "empty.wav"
    file.parent.mkdir(parents=True)
    file.touch()
    found = client.get("/api/recordings/facts", params={"path": str(file)}).json()
    assert found["verdict"] == "unreadable"
    assert "empty.wav" in found["cause"]
    assert str(home) not in found["cause"]


def test_a_broken_recording_leaves_its_folder_and_comes_back(
    client: TestClient, home: Path
) -> None:
    folder = home / "assets" / "datasets" / "anna"
    folder.mkdir(parents=True)
    for name in ("good.wav", "broken.wav"):
        (folder / name).write_bytes(name.encode())
    path = str(folder / "broken.wav")
    removed = client.post("/api/recordings/remove", params={"path": path}).json()
    listed = client.get("/api/recordings", params={"folder": str(folder)}).json()
    assert [row["name"] for row in listed["recordings"]] == ["good.wav"]
    back = client.post("/api/recordings/restore", params={"token": removed["token"]})
    assert back.json() == {"path": path}
    assert Path(path).read_bytes() == b"broken.wav"
    again = client.post("/api/recordings/restore", params={"token": removed["token"]})
    assert again.status_code == 404


def test_nothing_is_removed_from_folders_of_other_people(client: TestClient, home: Path) -> None:
    own = home / "my music" / "a.wav"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    inside = home / "assets" / "audios" / "link.wav"
    inside.parent.mkdir(parents=True)
    inside.symlink_to(own)
    for path in (own, inside, inside.parent / ".." / ".." / "my music" / "a.wav"):
        answer = client.post("/api/recordings/remove", params={"path": str(path)})
        assert answer.status_code in (400, 404)
    assert own.read_bytes() == b"mine"


def test_on_a_network_only_the_programs_own_folders_are_listed(home: Path) -> None:
    app = server.create(Access("0.0.0.0", token="t"))
    client = TestClient(app, base_url="http://127.0.0.1", headers={"authorization": "Bearer t"})
    (home / "elsewhere").mkdir()
    secret = home / "elsewhere" / "secret.wav"
    secret.write_bytes(b"hush")
    for path, asked in (("", {"folder": str(secret.parent)}), ("/facts", {"path": str(secret)})):
        assert client.get(f"/api/recordings{path}", params=asked).status_code == 404


def test_thousands_are_listed_without_being_opened(client: TestClient, home: Path) -> None:
    folder = home / "assets" / "audios"
    folder.mkdir(parents=True)
    for number in range(1500):
        (folder / f"{number}.wav").touch()
    found = client.get("/api/recordings", params={"limit": 100}).json()
    assert found["count"] == 1500
    assert len(found["recordings"]) == 100


def test_the_length_of_a_set_is_the_sum_of_what_can_be_read(client: TestClient, home: Path) -> None:
    folder = home / "assets" / "datasets" / "anna"
    folder.mkdir(parents=True)
    for seconds in (1, 2):
        soundfile.write(folder / f"{seconds}.wav", speech(seconds), RATE)
    (folder / "broken.wav").write_bytes(b"no sound")
    found = client.get("/api/recordings/length", params={"folder": str(folder)})
    assert found.json()["seconds"] == pytest.approx(3)


def test_uploads_without_a_set_never_join_one_that_is_there(client: TestClient) -> None:
    first = client.post("/api/files", params={"name": "a.wav", "dataset": ""}, content=b"one")
    second = client.post("/api/files", params={"name": "a.wav", "dataset": ""}, content=b"two")
    assert first.json()["folder"] != second.json()["folder"]


def test_the_same_file_is_kept_once(client: TestClient) -> None:
    paths = [
        client.post("/api/files", params={"name": "a.wav"}, content=content).json()["path"]
        for content in (b"one", b"one", b"two")
    ]
    assert paths[0] == paths[1] != paths[2]
