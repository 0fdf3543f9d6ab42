"""No tab has what keeps people out: axe-core looks at each, in both themes.

axe-core (MPL-2.0) is no part of the program: the test asks npm for it and is skipped without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from typing import Any

import pytest

from tests.tabs.browsing import give_voice

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

VERSION = "4.14.1"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
NPM_S = 120.0
LOOK = """async ([place, rules]) => {
  const found = await axe.run(place, { runOnly: rules, resultTypes: ["violations"] });
  return found.violations.flatMap(({ id, impact, nodes }) =>
    ["serious", "critical"].includes(impact) ? nodes.map((node) => [id, node.html]) : []);
}"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, fetched by npm into its own cache."""
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("needs npm")
    folder = tmp_path_factory.mktemp("axe")
    line = [npm, "pack", f"axe-core@{VERSION}", "--prefer-offline", "--silent"]
    done = subprocess.run(line, cwd=folder, capture_output=True, timeout=NPM_S)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip("npm could not fetch axe-core")
    with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as packed:
        script = packed.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def complaints(page: Any, place: str, rules: list[str]) -> list[list[str]]:
    found: list[list[str]] = page.evaluate(LOOK, [place, rules])
    return found


def tabs(page: Any) -> list[str]:
    found: list[str] = page.locator("#nav > .tab-wrapper button[role=tab][id]").evaluate_all(
        "all => [...new Set(all.map((one) => one.id))]"
    )
    return found


def test_no_tab_keeps_anybody_out(visit: Any, server: Any, axe: str) -> None:
    give_voice(server)
    page = visit()
    page.evaluate(axe)
    known = tabs(page)
    assert len(known) > 5
    found = complaints(page, "header", RULES)
    for tab in known:
        page.locator(f"#{tab}").click()
        place = f"#{tab.removesuffix('-button')}"
        page.locator(f"{place} h2:visible").first.wait_for()
        found += complaints(page, place, RULES)
    page.locator(".theme-toggle").click()
    for tab in known:
        page.locator(f"#{tab}").click()
        found += complaints(page, f"#{tab.removesuffix('-button')}", ["color-contrast"])
    assert found == []


def test_what_axe_would_find_is_found(visit: Any, axe: str) -> None:
    page = visit()
    page.evaluate(axe)
    page.evaluate("document.querySelector('#tab-inference').append(new Image())")
    (found,) = complaints(page, "#tab-inference", RULES)
    assert found[0] == "image-alt"
