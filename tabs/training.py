"""Training."""

from tabs.page import Page

VERBS = ("create-voice",)


def build(page: Page) -> None:
    page.heading("Training")
