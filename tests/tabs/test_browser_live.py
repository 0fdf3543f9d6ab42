"""The Live tab, in a browser whose microphone hears a tone; the live process echoes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Locator, Page

from tests.tabs.browsing import LIMIT_MS, Server, Visit, Watched, give_voice, hearing, reload

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

RATE = 48_000
VOICES = ("anna", "bert", "slow")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    tone = tmp_path_factory.mktemp("tone") / "tone.wav"
    soundfile.write(tone, 0.3 * np.sin(2 * np.pi * 440 * np.arange(5 * RATE) / RATE), RATE)
    with hearing(tone) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("home"))
    for name in VOICES:
        give_voice(running, name)
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


def desk(page: Page) -> Locator:
    page.evaluate("window.voice.open('live')")
    page.locator("live-desk .live-voices [data-path]").nth(len(VOICES) - 1).wait_for()
    return page.locator("live-desk")


def state(found: Locator, wanted: str) -> None:
    found.page.locator(f"live-desk[data-state={wanted}]").wait_for(timeout=LIMIT_MS)


def start(page: Page, voice: str = "anna") -> Locator:
    found = desk(page)
    found.get_by_role("button", name=voice).click()
    found.get_by_role("button", name="Start", exact=True).click()
    return found


def stop(found: Locator) -> None:
    found.get_by_role("button", name="Stop", exact=True).click()
    state(found, "stopped")


def pressed(found: Locator, name: str, on: bool) -> None:
    there = found.locator(f"button[aria-pressed={str(on).lower()}]", has_text=name)
    there.first.wait_for(timeout=LIMIT_MS)


def test_one_speaks_and_is_heard_and_everything_is_said(page: Watched) -> None:
    found = start(page)
    state(found, "running")
    found.locator("summary", has_text="You are heard after about").wait_for(timeout=LIMIT_MS)
    page.wait_for_function(
        """() => [...document.querySelectorAll("live-desk .job-bar-fill")]
            .every(bar => parseFloat(bar.style.width) > 50)""",
        timeout=LIMIT_MS,
    )
    found.locator("summary").click()
    parts = dict(zip(*(found.locator(tag).all_inner_texts() for tag in ("dt", "dd")), strict=True))
    assert {"Voice", "To the server and back", "Devices", "Came too late"} <= set(parts)
    total, *shares = (int(n) for n in parts["Voice"].replace("ms", "").replace("+", "=").split("="))
    assert total == sum(shares)
    stop(found)


def test_keys_do_what_the_buttons_do_but_not_in_a_field(page: Watched, server: Server) -> None:
    found = start(page)
    state(found, "running")
    page.locator("live-desk summary").focus()
    page.keyboard.press("m")
    pressed(found, "Mute", True)
    page.keyboard.press("m")
    pressed(found, "Mute", False)
    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press(" ")
    pressed(found, "Own voice", True)
    page.keyboard.press("2")
    pressed(found, "bert", True)
    field = page.locator("#tab-live input[type=number]:visible").first
    field.focus()
    page.keyboard.press("1")
    pressed(found, "bert", True)
    pressed(found, "anna", False)
    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press(" ")
    pressed(found, "Own voice", False)
    stop(found)


def test_what_is_said_is_recorded_with_a_red_mark(page: Watched, server: Server) -> None:
    found = start(page)
    state(found, "running")
    found.get_by_role("button", name="Record", exact=True).click()
    mark = found.locator(".live-record.on", has_text="● 2 s")
    mark.wait_for(timeout=LIMIT_MS)
    red = [int(c) for c in mark.evaluate("e => getComputedStyle(e).color.match(/\\d+/g)")[:3]]
    assert red[0] > 1.5 * max(red[1:]), red
    mark.click()
    found.locator(".notice.good", has_text="Recorded:").wait_for(timeout=LIMIT_MS)
    stop(found)
    (file,) = (server.home / "assets" / "audios").glob("*.wav")
    wave, rate = soundfile.read(file)
    assert len(wave) > 1.5 * rate
    assert wave.ndim == 2, "what was heard beside what was made of it"


def test_a_page_that_is_loaded_again_goes_on(page: Watched) -> None:
    found = start(page)
    state(found, "running")
    reload(page)
    found = desk(page)
    state(found, "running")
    found.locator("summary", has_text="You are heard after about").wait_for(timeout=LIMIT_MS)
    stop(found)


def test_a_second_browser_asks_and_takes_over(visit: Visit) -> None:
    first, second = visit(), visit()
    state(start(first), "running")
    other = desk(second)
    other.get_by_text("Another browser is live.").wait_for(timeout=LIMIT_MS)
    other.get_by_role("button", name="Take over").click()
    first.get_by_text("Another browser has taken over.").wait_for(timeout=LIMIT_MS)
    state(first.locator("live-desk"), "stopped")
    state(start(second), "running")
    stop(other)


def test_a_voice_that_is_too_slow_says_what_would_do(page: Watched) -> None:
    found = start(page, "slow")
    refused = found.locator(".notice.bad", has_text="takes this machine")
    refused.wait_for(timeout=LIMIT_MS)
    assert "block" in refused.inner_text()
    state(found, "stopped")
    refused.get_by_role("button", name="Start anyway").click()
    state(found, "running")
    stop(found)


REFUSING = """() => {{
    navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException("", "{}"); }};
}}"""


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (REFUSING.format("NotAllowedError"), "The microphone was not allowed"),
        (REFUSING.format("NotFoundError"), "There is no microphone."),
        (REFUSING.format("NotReadableError"), "Another program holds the microphone."),
        ("() => { delete window.AudioWorkletNode }", "it has no AudioWorklet"),
        (
            "() => { Object.defineProperty(window, 'isSecureContext', {value: false}) }",
            "https only",
        ),
    ],
    ids=["not allowed", "none", "in use", "no worklet", "insecure"],
)
def test_what_is_missing_is_said_in_a_sentence(page: Watched, missing: str, said: str) -> None:
    desk(page)
    page.evaluate(missing)
    found = start(page)
    found.locator(".notice.bad", has_text=said).wait_for(timeout=LIMIT_MS)
    state(found, "stopped")


def test_it_works_on_a_phone(visit: Visit, tmp_path: Path) -> None:
    page = visit(**PHONE)
    found = start(page)
    state(found, "running")
    wide = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "nothing lies beside the screen"
    for name in ("Stop", "Mute", "Own voice"):
        box = found.get_by_role("button", name=name, exact=True).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24, name
    found.get_by_role("button", name="Stop", exact=True).tap()
    state(found, "stopped")


def test_devices_of_the_machine_have_what_a_browser_has_not(page: Watched) -> None:
    found = desk(page)
    second, echo = found.get_by_label("Second output"), found.get_by_label("I have no headphones")
    assert (second.is_visible(), echo.is_visible()) == (False, True)
    found.get_by_label("Sound of").select_option("devices")
    second.wait_for()
    found.get_by_label("Take the devices for this program alone").wait_for()
    assert not echo.is_visible()
