"""Which tabs there are, and the whole page made of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from rvc import tasks
from rvc.plugins import BrokenPlugin, Registry
from tabs import (
    cards,
    events,
    head,
    inference,
    live,
    report,
    settings,
    songs,
    training,
    tts,
    voices,
)
from tabs.events import QUIET
from tabs.page import FORMS, Page

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tab:
    """One tab of the page.

    Attributes:
        id: in addresses and element names.
        build: fills it with components.
        verbs: what it is for; it is left out where none of them exists. Empty: always there.
    """

    id: str
    title: str
    build: Callable[[Page], None]
    verbs: tuple[str, ...] = ()


TABS = (
    Tab("inference", "Inference", inference.build, inference.VERBS),
    Tab("live", "Live", live.build, live.VERBS),
    Tab("songs", "Songs", songs.build, songs.VERBS),
    Tab("training", "Training", training.build, training.VERBS),
    Tab("tts", "TTS", tts.build, tts.VERBS),
    Tab("voices", "Voices", voices.build, voices.VERBS),
    Tab("extra", "Extra", cards.extra, tuple(verb for verb, _, _ in cards.EXTRA)),
    Tab("settings", "Settings", settings.build),
    Tab("tensorboard", "TensorBoard", cards.tensorboard, cards.TENSORBOARD),
    Tab("report", "Report a bug", report.build),
)


PLUGINS = Registry("tabs", {tab.id: tab for tab in TABS}, Tab)


def tabs() -> list[Tab]:
    """The tabs with something to do, those of installed packages last."""
    here = [tab for tab in TABS if not tab.verbs or any(verb in tasks.VERBS for verb in tab.verbs)]
    for name in PLUGINS:
        if name not in PLUGINS.own:
            try:
                here.append(replace(PLUGINS[name], id=name))
            except BrokenPlugin as error:  # the page comes without it; the Settings say why
                log.warning("%s %s", error.message, error.hint)
    return here


def build(page: Page) -> gr.Blocks:
    """The whole page, not launched."""
    blocks: gr.Blocks
    with gr.Blocks(
        title=page.t("Voice cloning"),
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(86400, 7 * 86400),
    ) as blocks:
        gr.HTML(head.header(page.t), elem_id="top")
        with gr.Tabs(elem_id="nav"):
            for tab in tabs():
                with gr.Tab(page.t(tab.title), id=tab.id, elem_id=f"tab-{tab.id}"):
                    _fill(tab, page)
        events.for_programs()
        _chain(blocks, page)
    return blocks


def _fill(tab: Tab, page: Page) -> None:
    """Build one tab; one of a package that fails says so in its place."""
    try:
        with PLUGINS.blamed(tab.id):
            tab.build(page)
    except BrokenPlugin as error:
        log.warning("%s %s", error.message, error.hint)
        gr.Markdown(f"{error.message} {error.hint}")


def _chain(blocks: gr.Blocks, page: Page) -> None:
    """First give the browser its values back, then look up in one request what depends on them.

    Only then can the page be used.
    """
    names = json.dumps({key: list(form) for key, form in page.forms.items()})
    kept = [component for form in page.forms.values() for component in form.values()]
    back = f"async (...now) => {FORMS}.restore({names}, now)"
    event = blocks.load(None, kept, kept, js=back, **QUIET)

    def look_up(*values: Any) -> list[Any]:
        left = iter(values)
        answers: list[Any] = []
        for fn, inputs, outputs in page.loads:
            answer = fn(*[next(left) for _ in inputs])
            answers += list(answer) if len(outputs) > 1 else [answer]
        return answers

    asked = [component for _, inputs, _ in page.loads for component in inputs]
    filled = [component for _, _, outputs in page.loads for component in outputs]
    event = event.then(look_up, asked, filled, **QUIET)
    event.then(None, js=f"async () => {FORMS}.loaded()", **QUIET)
