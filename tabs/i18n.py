"""The page in other languages: one JSON file each, keyed by the English text."""

from __future__ import annotations

import json
import locale
import os
from collections.abc import Callable

from rvc.config import ASSETS

FOLDER = ASSETS / "i18n"
LANGUAGES = {
    "en": "English",
    "es": "Español",
    "zh": "中文",
    "fr": "Français",
    "de": "Deutsch",
    "pt": "Português",
    "ru": "Русский",
    "ja": "日本語",
}
Translate = Callable[[str], str]


def table(language: str) -> dict[str, str]:
    """English text -> text in `language`; empty for English and unknown languages."""
    file = FOLDER / f"{language}.json"
    if language == "en" or language not in LANGUAGES or not file.is_file():
        return {}
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return known


def choose(wanted: str = "auto") -> str:
    """The language to use: the saved one, or the system's, or English."""
    if wanted in LANGUAGES:
        return wanted
    system = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return system[:2] if system[:2] in LANGUAGES else "en"


def translator(language: str) -> Translate:
    """A function from English text to `language`; what is not known stays English."""
    words = table(language)
    return lambda text: words.get(text, text)
