"""What is packed on its way: text, and never what a player asks for in parts."""

from pathlib import Path

from fastapi.testclient import TestClient

from rvc import server
from rvc.server import Access

ANY = {"accept-encoding": "gzip"}


def client() -> TestClient:
    return TestClient(server.create(Access()), base_url="http://127.0.0.1")


def test_text_is_packed_for_those_who_take_it(home: Path) -> None:
    packed = client().get("/ui/app.css", headers=ANY)
    plain = client().get("/ui/app.css", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < 0.5 * len(plain.content)


def test_results_are_sent_as_they_are_and_in_parts(home: Path) -> None:
    folder = home / "assets" / "audios"
    folder.mkdir(parents=True)
    content = bytes(200_000)
    (folder / "quiet.wav").write_bytes(content)
    whole = client().get("/api/files/quiet.wav", headers=ANY)
    assert "content-encoding" not in whole.headers
    assert whole.content == content
    part = client().get("/api/files/quiet.wav", headers=ANY | {"range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == content[100:200]
