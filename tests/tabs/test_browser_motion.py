"""How little of the page moves for those who ask for less motion."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tabs.browsing import (
    Server,
    Visit,
    Watched,
    give_voice,
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
