"""What a voice's card leads to: going live with it, and a smaller voice made for that."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator

from tests.tabs.browsing import Server, Visit, Watched, give_voice, reload

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NAMES = [f"v{number:02d}" for number in range(12)]  # more than the desk has keys for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("home"))
    for name in NAMES:
        give_voice(running, name)
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


def details(page: Watched, name: str) -> Locator:
    """The details of a voice, opened from its card."""
    page.evaluate("window.voice.open('voices')")
    page.locator(".voice-card").filter(has=page.get_by_text(name, exact=True)).locator(
        ".voice-open"
    ).click()
    found = page.locator("dialog.voice-details[open]")
    found.get_by_role("heading", name=name, exact=True).wait_for()
    return found


def test_a_card_goes_live_with_its_voice(visit: Visit) -> None:
    page = visit()
    desk = page.locator("live-desk")
    for name in (NAMES[2], NAMES[0], NAMES[-1]):  # the desk is built once; the last has no key
        details(page, name).get_by_role("button", name="Go live", exact=True).click()
        page.locator("#tab-live-button[aria-selected=true]").wait_for()
        desk.locator(".live-voices [aria-pressed=true]", has_text=name).wait_for()
        assert desk.locator(".live-voices [aria-pressed=true]").count() == 1
    reload(page)
    desk.locator(".live-voices [aria-pressed=true]", has_text=NAMES[-1]).wait_for()


def test_a_card_makes_a_live_version_of_a_voice_that_is_none(visit: Visit, server: Server) -> None:
    page = visit()
    teacher = details(page, "v01")
    teacher.get_by_role("button", name="Make a live version").click()
    teacher.get_by_label("Name of the new voice.").fill("quick")
    teacher.get_by_role("button", name="Save").click()
    teacher.locator(".notice.good", has_text="v01.pth taught quick.").wait_for()
    (order,) = (server.home / ".cache" / "jobs").glob("*-distil-*/job.json")
    asked = json.loads(order.read_text())["params"]
    assert asked["pth_path"] == str(server.home / "logs" / "v01" / "v01.pth")
    assert asked["dataset_path"] is None
    teacher.get_by_role("button", name="Close").click()
    lite = details(page, "quick")
    lite.get_by_text("40 kHz · lite · epoch 60").wait_for()
    lite.get_by_role("button", name="Blend with…").wait_for()
    assert lite.get_by_role("button", name="Make a live version").count() == 0
