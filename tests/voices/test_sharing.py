"""Links to voices: every common kind is understood, none leads where it must not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rvc import params, tasks
from rvc.errors import BadInput, DownloadFailed, MissingModel
from rvc.hub import fetch, links
from rvc.nets.voice_file import read_voice
from rvc.voices import sharing
from tests import hostile, tiny
from tests.hub import hosts
from tests.hub.hosts import Host


def packed(*files: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in files:
            archive.write(file, file.name)
    return out.getvalue()


@pytest.fixture
def host(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    voice = tiny.voice(tmp_path / "Zoe.pth")
    repository = [{"type": "file", "path": p} for p in ("README.md", "v/G_1.pth", "v/Zoe.pth")]
    made = hosts.Host(
        {
            "Zoe.pth": voice.read_bytes(),
            "Zoe.zip": packed(voice),
            "page": b"<!doctype html><html>log in</html>",
            "main/?recursive=true": json.dumps(repository).encode(),
            "uc": voice.read_bytes(),
        }
    )
    monkeypatch.delenv("RVC_OFFLINE", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setattr(fetch, "PAUSES_S", (0.01,))
    monkeypatch.setattr(links, "TIMEOUTS_S", (2.0, 0.3))
    yield made
    made.close()


def download(link: str, **more: Any) -> dict[str, Any]:
    """The voice that came in, or the one that was here already."""
    done = tasks.run("download", params.Download(model_link=link, **more))
    found: list[dict[str, Any]] = done["imported"] + done["already_here"]
    return found[0]


@pytest.mark.parametrize(
    "path",
    ["some/repo/resolve/main/Zoe.pth", "some/repo/blob/main/Zoe.zip", "some/repo/tree/main",
     "some/repo"],
)  # fmt: skip
def test_files_and_repositories_are_fetched(host: Host, path: str) -> None:
    assert download(f"{host.url}/{path}")["name"] == "Zoe"


def test_the_servers_name_is_used_but_never_as_a_path(host: Host, home: Path) -> None:
    host.headers["Content-Disposition"] = 'attachment; filename="../../Eve.pth"'
    done = download(f"{host.url}/a/b/blob/main/uc")
    assert done["name"] == "Eve"
    assert sorted(p.name for p in (home / "logs").iterdir()) == ["Eve"]


def test_hugging_faces_links_are_fetched_from_the_users_mirror(host: Host) -> None:
    assert download("https://huggingface.co/some/repo")["name"] == "Zoe"
    assert download("https://hf.co/some/repo/blob/main/Zoe.zip")["name"] == "Zoe"
    assert len(host.asked) == 3


def test_a_file_at_the_root_of_ones_own_server_is_a_file(host: Host) -> None:
    assert download(f"{host.url}/Zoe.zip")["name"] == "Zoe"


def test_drive_files_arrive_under_the_name_that_drive_gives_them(
    host: Host, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "DRIVE_FILES", f"{host.url}/download")
    link = "https://drive.google.com/file/d/1AbCdEfGhIjK/view?usp=sharing"
    host.files["download?id=1AbCdEfGhIjK&export=download&confirm=t"] = host.files["Zoe.zip"]
    host.headers["Content-Disposition"] = 'attachment; filename="voice.zip"'
    done = download(link)
    assert done["name"] == "Zoe"
    told = read_voice(done["pth_path"]).meta["imported_from"]
    assert told["source"] == link.split("?")[0]
    host.faults.append(hosts.page())
    with pytest.raises(DownloadFailed, match="web page"):
        download(link)


def test_a_broken_connection_is_taken_up_again(host: Host) -> None:
    host.faults += [hosts.drop(3000), hosts.drop(2000)]
    assert download(f"{host.url}/Zoe.zip")["name"] == "Zoe"
    assert [headers.get("Range") for _, headers in host.asked][1:] == [
        "bytes=3000-",
        "bytes=5000-",
    ]


def test_a_length_that_is_a_lie_is_not_believed_for_ever(host: Host) -> None:
    host.faults += [lambda handler, content: handler.answer(content, length=len(content) + 9)] * 60
    host.ranges = False
    with pytest.raises(DownloadFailed):
        download(f"{host.url}/Zoe.pth")
    assert len(host.asked) <= fetch.ATTEMPTS + 1


def test_drive_links_become_downloads() -> None:
    expected = (
        "https://drive.usercontent.google.com/download?id=1AbCdEfGhIjK&export=download&confirm=t"
    )
    for link in (
        "https://drive.google.com/file/d/1AbCdEfGhIjK/view?usp=sharing",
        "https://drive.google.com/open?id=1AbCdEfGhIjK",
        "https://drive.google.com/uc?export=download&id=1AbCdEfGhIjK",
    ):
        assert sharing.direct(link) == [expected]
    with pytest.raises(DownloadFailed, match="folder"):
        sharing.direct("https://drive.google.com/drive/folders/xyz?usp=sharing")


def test_hugging_face_links_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    base = "https://huggingface.co/some/one"
    assert sharing.direct(f"{base}/blob/main/a b.zip") == [f"{base}/resolve/main/a b.zip"]
    asked: list[str] = []
    listed = ["x.pth", "D_1.pth", "x.index", "y.zip"]

    def listing(url: str) -> list[str]:
        asked.append(url)
        return listed

    monkeypatch.setattr(sharing, "_listed", listing)
    chosen = ["x.pth", "y.zip", "x.index"]
    assert sharing.direct(base) == [f"{base}/resolve/main/{name}" for name in chosen]
    assert asked == ["https://huggingface.co/api/models/some/one/tree/main/?recursive=true"]


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:1/Zoe.pth",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/Zoe.pth",
        "https://user:word@huggingface.co/a/b/resolve/main/x.pth",
        "http://huggingface.co/a/b/resolve/main/x.pth",
    ],
)
def test_links_to_private_places_are_refused(host: Host, link: str) -> None:
    with pytest.raises(links.Refused):
        download(link)
    assert host.asked == []


def test_files_of_this_machine_are_no_links(host: Host) -> None:
    for link in ("file:///etc/passwd", "/etc/passwd", "ftp://x/y.pth", ""):
        with pytest.raises(BadInput, match="no link"):
            download(link)


def test_redirects_are_vetted_too(host: Host) -> None:
    def away(handler: hosts.Handler, content: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://127.0.0.1:9/secret")
        handler.end_headers()

    host.faults.append(away)
    with pytest.raises(DownloadFailed, match="refused"):
        download(f"{host.url}/a/b/blob/main/Zoe.pth")


def test_pages_hostile_files_and_giants_are_refused(
    host: Host, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadFailed, match="web page"):
        download(f"{host.url}/a/b/blob/main/page")
    hostile.system(tmp_path / "bad.pth", tmp_path / "ran")
    host.files["bad.pth"] = (tmp_path / "bad.pth").read_bytes()
    with pytest.raises(BadInput, match="refused"):
        download(f"{host.url}/a/b/blob/main/bad.pth")
    assert not (tmp_path / "ran").exists()
    monkeypatch.setattr(sharing, "LIMIT_BYTES", 1000)
    with pytest.raises(DownloadFailed, match="larger"):
        download(f"{host.url}/a/b/blob/main/Zoe.pth")
    assert list((home / "logs").iterdir()) == []


def test_offline_asks_nobody(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVC_OFFLINE", "1")
    with pytest.raises(MissingModel, match="offline"):
        download(f"{host.url}/a/b/blob/main/Zoe.pth")
    assert host.asked == []


@pytest.mark.parametrize(
    ("link", "file"),
    [
        ("https://pixeldrain.com/u/abc123", "https://pixeldrain.com/api/file/abc123"),
        ("https://pixeldrain.com/l/XyZ9", "https://pixeldrain.com/api/list/XyZ9/zip"),
        ("https://pixeldrain.com/api/file/abc", "https://pixeldrain.com/api/file/abc"),
        ("https://www.dropbox.com/s/x/a.zip?dl=0", "https://www.dropbox.com/s/x/a.zip?dl=1"),
        (
            "https://www.dropbox.com/scl/fi/k/a.zip?rlkey=z&dl=0",
            "https://www.dropbox.com/scl/fi/k/a.zip?rlkey=z&dl=1",
        ),
        ("https://github.com/o/r/blob/main/b/a.zip", "https://github.com/o/r/raw/main/b/a.zip"),
        (
            "https://github.com/o/r/releases/download/v1/a.zip",
            "https://github.com/o/r/releases/download/v1/a.zip",
        ),
        ("https://notdropbox.com/s/x/a.zip?dl=0", "https://notdropbox.com/s/x/a.zip?dl=0"),
    ],
)
def test_share_links_lead_to_the_file(link: str, file: str) -> None:
    assert sharing.direct(link) == [file]


def test_a_host_that_only_browsers_can_read_is_named() -> None:
    with pytest.raises(DownloadFailed, match=r"mega\.nz"):
        sharing.direct("https://mega.nz/file/abc#key")


def collection(host: Host, count: int, voices: list[bytes]) -> None:
    for number in range(count):
        host.files[f"v{number}.zip"] = voices[number % len(voices)]
    rows = [{"type": "file", "path": f"v{number}.zip"} for number in range(count)]
    host.files["main/?recursive=true"] = json.dumps(rows).encode()


@pytest.fixture
def stars(tmp_path: Path) -> list[bytes]:
    """Five voices, each in a zip."""
    return [packed(tiny.voice(tmp_path / f"star{n}.pth", seed=n)) for n in range(5)]


def test_all_voices_of_a_collection_come(host: Host, stars: list[bytes]) -> None:
    collection(host, 5, stars)
    done = tasks.run("download", params.Download(model_link=f"{host.url}/x/many"))
    assert sorted(d["name"] for d in done["imported"]) == [f"star{n}" for n in range(5)]


def test_a_large_collection_is_a_list_to_choose_from(host: Host, stars: list[bytes]) -> None:
    collection(host, 30, stars)
    with pytest.raises(DownloadFailed) as told:
        download(f"{host.url}/x/many")
    assert all(f"v{number}.zip" in told.value.message for number in range(30))
    assert "--model-name" in told.value.hint
    assert len(host.asked) == 1
    assert download(f"{host.url}/x/many", model_name="v17")["name"] == "v17"


def test_what_asks_for_a_login_is_said_to_be_private(host: Host) -> None:
    def closed(handler: hosts.Handler, content: bytes) -> None:
        handler.send_error(401)

    host.faults.append(closed)
    with pytest.raises(DownloadFailed, match="private"):
        download(f"{host.url}/a/b/blob/main/Zoe.pth")


def test_a_token_opens_private_repositories_and_goes_to_nobody_else(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = hosts.Host(dict(host.files))
    try:
        monkeypatch.setattr(fetch, "trusted", lambda: frozenset(
            links.place(url) for url in (host.url, elsewhere.url)))  # fmt: skip
        monkeypatch.setenv("HF_TOKEN", "hf_secret")

        def moved(handler: Any, content: Any) -> None:
            handler.send_response(302)
            handler.send_header("Location", f"{elsewhere.url}/cdn/Zoe.pth")
            handler.end_headers()

        host.faults.append(moved)
        assert download(f"{host.url}/a/b/blob/main/Zoe.pth")["name"] == "Zoe"
        assert host.asked[0][1]["Authorization"] == "Bearer hf_secret"
        assert "Authorization" not in elsewhere.asked[0][1]
    finally:
        elsewhere.close()
    assert links.credentials("https://huggingface.co/a/b") == {"Authorization": "Bearer hf_secret"}
    for other in ("https://hf-mirror.com/a/b", "http://huggingface.co/a", "https://example.com/a"):
        assert links.credentials(other) == {}


@pytest.mark.parametrize(("token", "word"), [("", "set HF_TOKEN"), ("hf_x", "may not read it")])
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", ["a/b/blob/main/Zoe.pth", "a/b"])
def test_what_is_gated_is_told_the_way_in(
    host: Any, monkeypatch: pytest.MonkeyPatch, token: Any, word: str, status: Any, path: Any
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    host.faults.append(lambda handler, _: handler.send_error(status))
    with pytest.raises(DownloadFailed, match=f"answered {status}.*{word}"):
        download(f"{host.url}/{path}")
    assert len(host.asked) == 1


@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:1", "SOCKS5://127.0.0.1:1", "socks9://a:1"])
def test_a_socks_proxy_is_named_at_once(
    host: Any, monkeypatch: pytest.MonkeyPatch, proxy: Any
) -> None:
    monkeypatch.setattr(links, "find_spec", lambda _: None)
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(DownloadFailed, match="SOCKS") as caught:
        download(f"{host.url}/a/b/blob/main/Zoe.pth")
    assert "ALL_PROXY" in caught.value.hint
    assert not host.asked
