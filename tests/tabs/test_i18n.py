"""Every language says everything: the texts are gathered from the page itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rvc import tasks
from rvc.config import REPOSITORY
from rvc.server.fence import Fence
from tabs import i18n, layout
from tabs.page import Page


def texts() -> set[str]:
    """All English texts: said while the page is built, in handlers, and by its scripts."""
    said = set()

    def t(text: str) -> str:
        said.add(text)
        return text

    layout.build(Page(t, Fence()))
    for file in (REPOSITORY / "tabs").glob("*.py"):
        said |= set(_literals(file))
    for file in (REPOSITORY / "rvc" / "assets" / "ui").glob("*.js"):
        code = file.read_text(encoding="utf-8")
        said |= set(re.findall(r'\bT\("((?:[^"\\\\]|\\\\.)+)"\)', code))
    models = (REPOSITORY / "rvc" / "assets" / "ui" / "models.js").read_text(encoding="utf-8")
    said |= set(re.findall(r'": "([^"]+)",', models))
    core = (REPOSITORY / "rvc" / "assets" / "ui" / "core.js").read_text(encoding="utf-8")
    training = (REPOSITORY / "rvc" / "assets" / "ui" / "training.js").read_text(encoding="utf-8")
    said |= set(re.findall(r'^  \w+: "([^"]+)",', core, re.MULTILINE))
    said |= set(re.findall(r'\["\w+", "([^"]+)"\]', training))
    return {text for text in said if text.strip()}


def _literals(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            if name == "t":
                yield str(node.args[0].value)


@pytest.fixture(scope="module")
def english() -> set[str]:
    return texts()


@pytest.mark.parametrize("language", [code for code in i18n.LANGUAGES if code != "en"])
def test_nothing_is_left_in_english(english: set[str], language: str) -> None:
    table = i18n.table(language)
    assert sorted(english - table.keys()) == []
    assert all(text.strip() for text in table.values())


def test_every_verb_has_a_name_that_people_use() -> None:
    code = (REPOSITORY / "rvc" / "assets" / "ui" / "verbs.js").read_text(encoding="utf-8")
    assert set(re.findall(r'^  "([\w-]+)": T\("', code, re.MULTILINE)) == set(tasks.VERBS)


def test_all_languages_hold_the_same_texts() -> None:
    keys = [i18n.table(code).keys() for code in i18n.LANGUAGES if code != "en"]
    assert all(k == keys[0] for k in keys)


def test_the_system_decides_unless_a_language_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert i18n.choose("auto") == "fr"
    assert i18n.choose("ja") == "ja"
    monkeypatch.setenv("LC_ALL", "xx_XX")
    assert i18n.choose("auto") == "en"


def test_unknown_texts_stay_english() -> None:
    assert i18n.translator("de")("never seen") == "never seen"
