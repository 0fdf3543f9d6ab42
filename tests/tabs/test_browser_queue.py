"""Several conversions at once: their places in the list of jobs, and how little of it moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tabs.browsing import (
    Server,
    Visit,
    Watched,
    give_voice,
    holds,
    panel,
    recording,
    upload,
)

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


COUNT = """async () => {
    const { jobs } = await import(new URL("ui/core.js", document.baseURI));
    return jobs.list.length;
}"""


def convert_times(page: Watched, times: int) -> None:
    """Press Convert, each time once the press before has begun a job."""
    before = page.locator("job-list").evaluate(COUNT)
    for count in range(before + 1, before + times + 1):
        page.locator("#convert").click()
        page.wait_for_function(
            f"async (count) => await ({COUNT})() === count",
            arg=count,
        )


def test_five_clicks_wait_their_turn_in_the_list_of_jobs_and_all_end(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    give_voice(server)
    page = visit()
    upload(page, recording(tmp_path / "speech.wav"))
    rows = page.locator(".jobs-dialog .job-row")
    with server.held():
        convert_times(page, 5)
        pitch = page.locator("#tab-inference").get_by_label("Pitch", exact=False).first
        pitch.fill("5")
        pitch.press("Tab")
        page.get_by_role("button", name="Jobs").click()
        for place in range(1, 5):
            rows.nth(4 - place).get_by_text(f"{place} before this one").wait_for()
        rows.nth(4).get_by_text("50 %").wait_for()
    for row in rows.all():
        row.locator(".job-mark", has_text="✓").wait_for()
        row.get_by_text("Conversion · speech.wav → anna").wait_for()
    first = rows.nth(4)
    first.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "() => document.querySelector('.job-row:last-child audio').currentTime > 0"
    )
    first.get_by_role("button", name="Use these settings").click()
    page.locator("#tab-inference-button[aria-selected=true]").wait_for()
    assert not page.locator(".jobs-dialog").is_visible()
    holds(pitch, "0")


MOVES = """() => {
    const all = [...document.querySelectorAll("*")].filter((one) => one.getClientRects().length);
    const lasts = (times) => Math.max(...times.split(",").map(parseFloat)) > 0.01;
    const moves = (style) => lasts(style.transitionDuration)
        || (style.animationName !== "none" && lasts(style.animationDuration));
    return ["", "::before", "::after"].flatMap((part) =>
        all.filter((one) => moves(getComputedStyle(one, part))).map((one) => one.className + part));
}"""


def test_whoever_asks_for_less_motion_gets_none(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    give_voice(server)
    page = visit()
    upload(page, recording(tmp_path / "speech.wav"))
    with server.held():
        convert_times(page, 2)
        panel(page, "queued").locator(".job-bar-fill.unknown").wait_for()
        assert "job-bar-fill unknown" in page.evaluate(MOVES)
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate(MOVES) == []
