"""Behind a reverse proxy that takes a path off: page, upload, job, player and API go through it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from starlette.testclient import TestClient

import app
from rvc import server
from tests.server.reverse_proxy import ReverseProxy
from tests.tabs import browsing
from tests.tabs.browsing import Server, give_voice, recording

PREFIX, TOKEN, NAME = "/rvc", "sesame", "voice.example.com"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    options = ("--root-path", PREFIX, "--allow-host", NAME, "--token", TOKEN)
    running = Server(home, *options)
    give_voice(running)
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module", params=[NAME, None], ids=["public name", "the proxy's own"])
def proxy(behind: Server, request: pytest.FixtureRequest) -> Iterator[ReverseProxy]:
    """nginx passes on either the name people use or the one it has for us."""
    made = ReverseProxy(behind.port, PREFIX, request.param)
    yield made
    made.close()


@pytest.fixture
def person(proxy: ReverseProxy) -> requests.Session:
    """Somebody who has signed in by the printed link."""
    made = requests.Session()
    made.trust_env = False
    answer = made.get(f"{proxy.url}?token={TOKEN}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert answer.url == proxy.url
    assert {c.path for c in made.cookies} == {PREFIX}
    return made


def test_the_page_and_all_it_names_are_under_the_path(
    person: requests.Session, proxy: ReverseProxy
) -> None:
    page = person.get(proxy.url).text
    found = re.findall(r'src=\\"([^"\\]*ui/\w+\.js)', page)
    scripts = [urljoin(proxy.url, address) for address in found]
    assert len(scripts) >= 8
    for script in scripts:
        assert script.startswith(proxy.url)
        text = person.get(script)
        assert text.status_code == 200
        assert not re.findall(r"[\"'`]/(?:api|ui|gradio_api)\b", text.text), script


def test_a_recording_goes_up_is_converted_and_can_be_heard(
    person: requests.Session, proxy: ReverseProxy, behind: Server, tmp_path: Path
) -> None:
    sent = person.post(
        f"{proxy.url}api/files?name=a.wav", data=recording(tmp_path / "a.wav").read_bytes()
    ).json()
    body = {
        "input_path": sent["path"],
        "output_path": str(behind.home / "assets" / "audios" / "out.wav"),
        "pth_path": str(behind.home / "logs" / "anna" / "anna.pth"),
    }
    origin = {"Origin": f"https://{NAME}"}
    job = person.post(f"{proxy.url}api/infer?wait_s=60", json=body, headers=origin).json()
    assert job["state"] == "done", job
    heard = person.get(f"{proxy.url}api/files/out.wav", headers={"Range": "bytes=0-3"})
    assert heard.status_code == 206
    assert heard.content == b"RIFF"
    assert person.get(f"{proxy.url}api/docs").status_code == 200


def test_other_pages_and_strangers_stay_outside(
    person: requests.Session, proxy: ReverseProxy
) -> None:
    jobs = f"{proxy.url}api/jobs"
    assert requests.get(jobs).status_code == 401
    for origin in ("https://evil.example", f"https://{NAME}.evil.example", "null"):
        assert person.get(jobs, headers={"Origin": origin}).status_code == 403


@pytest.mark.browser
def test_a_browser_converts_through_the_proxy(behind: Server, tmp_path: Path) -> None:
    proxy = ReverseProxy(behind.port, PREFIX)
    with browsing.launched() as chromium:
        page = browsing.open_page(
            chromium.new_context(**browsing.SHAPE), f"{proxy.url}?token={TOKEN}"
        )
        browsing.upload(page, recording(tmp_path / "mine.wav"))
        browsing.choose(page, page.locator("#voice input"), "anna")
        page.locator("#convert").click()
        browsing.panel(page, "done").locator("ab-player").wait_for()
        assert "/rvc/api/files/" in (page.locator("ab-player audio").get_attribute("src") or "")
        assert page.hosts == {proxy.url.split("/")[2]}
        assert set(proxy.not_found) <= {"/favicon.ico", "/manifest.json"}  # of the whole host
        assert [p for p in page.problems if "404" not in p] == []
        page.context.close()
    proxy.close()


def test_a_proxy_that_tells_no_name_is_told_by_its_whole_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(home))
    access = server.Access(root_path="https://voice.example.com:8443/rvc/")
    assert not access.local
    with TestClient(app.create(access), base_url="http://127.0.0.1:6969") as client:
        client.headers["Authorization"] = f"Bearer {access.token}"
        assert '"root":"https://voice.example.com:8443/rvc"' in client.get("/").text
        for path in ("/ui/core.js", "/rvc/ui/core.js", "/rvc/"):  # whether it takes it off or not
            assert client.get(path).status_code == 200
        for origin, status in {
            "https://voice.example.com:8443": 200,
            "https://voice.example.com:9999": 403,
            "http://127.0.0.1:9999": 403,
        }.items():
            assert client.get("/api/jobs", headers={"Origin": origin}).status_code == status
