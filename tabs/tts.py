"""TTS: text in, speech in a chosen voice out."""

from __future__ import annotations

from tabs.page import Page

VERBS = ("tts",)


def build(page: Page) -> None:
    page.heading("TTS")
