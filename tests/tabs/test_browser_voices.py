"""The Voices tab in a real browser: a voice comes in, is heard, changed, blended, exported, lost
and found again, on one page and with the real engines."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import soundfile
from playwright.sync_api import Locator

from rvc.config import KIT
from rvc.nets.voice_file import read_voice
from rvc.voices import sample
from tests.tabs.browsing import BARE, Server, Visit, Watched, holds

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LIMIT_MS = 240_000  # of work that takes seconds on a quiet machine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("home"), program=BARE)
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


def told(page: Watched, text: str) -> Locator:
    """Wait until the page says so, in the library or in a voice's details."""
    said = page.locator(".told, dialog.voice-details").locator(".notice.good", has_text=text)
    said.wait_for(timeout=LIMIT_MS)
    return said


def card(page: Watched, name: str) -> Locator:
    found = page.locator(".voice-card").filter(has=page.get_by_text(name, exact=True))
    found.wait_for(timeout=LIMIT_MS)
    return found


def press(page: Watched, name: str) -> None:
    page.locator("dialog.voice-details").get_by_role("button", name=name, exact=True).click()


def listed(server: Server) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.url}api/voices/cards") as answer:
        return {c["name"]: c for c in json.loads(answer.read())}


def test_the_life_of_a_voice(visit: Visit, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVC_HOME", str(server.home))
    page = visit()
    page.evaluate("window.voice.open('download')")  # where older links lead
    library = page.locator("voice-library")
    library.get_by_text("There is no voice here yet.").wait_for()

    files = [str(KIT / "demo" / f"demo.{end}") for end in ("pth", "index")]
    library.locator("input[type=file]").set_input_files(files)
    told(page, "Imported demo")
    demo = card(page, "demo")
    demo.get_by_text("24 kHz · lite · epoch").wait_for()
    demo.get_by_text("Index").first.wait_for()

    demo.get_by_role("button", name="Listen: demo").click()
    demo.locator("[data-state=playing]").wait_for(timeout=LIMIT_MS)
    pth = server.home / "logs" / "demo" / "demo.pth"
    assert abs(soundfile.info(sample.file_of(pth)).duration - sample.SECONDS) < 0.1

    demo.locator(".voice-open").click()
    details = page.locator("dialog.voice-details[open]")
    press(page, "Rename")
    details.get_by_label("New name").fill("Ada")
    press(page, "Save")
    details.get_by_role("heading", name="Ada").wait_for(timeout=LIMIT_MS)
    assert set(listed(server)) == {"Ada"}
    details.get_by_label("Add a tag").fill("warm")
    details.get_by_label("Add a tag").press("Enter")
    details.get_by_role("button", name="Remove: warm").wait_for()
    picture = page.screenshot(type="png")
    details.locator(".picture-drop input").set_input_files(
        {"name": "p.png", "mimeType": "image/png", "buffer": picture}
    )
    details.locator(".picture-drop img").wait_for()
    kept = (server.home / "logs" / "Ada" / "picture.jpg").stat().st_size
    assert 500 < kept < 100_000

    press(page, "Blend with…")
    page.locator("dialog.voice-picker").get_by_role("button", name="Ada").first.click()
    details.get_by_label("Name of the new voice.").fill("Twin")
    press(page, "Save")
    told(page, "Blended 50%")
    assert read_voice(server.home / "logs" / "Twin" / "Twin.pth").sample_rate == 24000

    press(page, "Export a zip")
    with page.expect_download() as download:
        told(page, "Packed").get_by_role("link").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as packed:
        assert set(packed.namelist()) == {"Ada.pth", "Ada.index", "voice.json"}
    details.get_by_text("Everything in the file").click()
    details.get_by_text("sha256").wait_for(timeout=LIMIT_MS)

    press(page, "Delete")
    told(page, "Ada was deleted.")
    page.locator(".voice-card").filter(has_text="Ada").wait_for(state="detached")
    assert set(listed(server)) == {"Twin"}
    library.get_by_role("button", name="Undo").click()
    told(page, "Ada is back.")
    ada = card(page, "Ada")
    assert ada.locator("img").count() == 1
    assert listed(server)["Ada"]["tags"] == ["warm"]

    library.get_by_label("Search").fill("twi")
    page.locator(".voice-card").filter(has_text="Ada").wait_for(state="detached")
    card(page, "Twin").locator(".voice-open").click()
    press(page, "Convert with it")
    page.locator("#tab-inference-button[aria-selected=true]").wait_for()
    holds(page.locator("#voice input"), "Twin")
