"""One card per small verb: its form, its button, its result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from rvc import tasks
from rvc.cli import base_type
from tabs import controls
from tabs.events import starts
from tabs.page import Page

SOUND = ("input_path", "audio_path", "recording")
VOICE = ("pth_path", "pth_path_1", "pth_path_2")


def card(
    page: Page,
    verb: str,
    title: str,
    action: str,
    skip: tuple[str, ...] = (),
    start: dict[str, Any] | None = None,
    folded: bool = False,
) -> controls.Form | None:
    """Build the card of a verb; None where the verb does not exist.

    Args:
        title: heading. action: text of the button.
        skip: parameters that are left at their defaults.
        folded: show the title only, until it is opened.
    """
    if verb not in tasks.VERBS:
        return None
    kind = tasks.VERBS[verb].params
    with _frame(page, title, folded):
        text = (kind.__doc__ or "").split("\n")[0]
        if folded:
            gr.HTML(f'<p class="facts">{page.t(text)}</p>')
        else:
            page.heading(title, text)
        form = controls.form(kind, page.t, skip=skip, start=start, replace=_lists(page, kind))
        go = gr.Button(page.t(action), variant="primary", elem_id=f"do-{verb}", size="md")
        page.job_panel(verb, facts=True)
    job = gr.Textbox(visible=False, label="job")

    def begin(*values: Any) -> str:
        return page.start(verb, dict(zip(form.fields, values, strict=True)))

    starts(go, begin, form.fields, job, page.t, verb)
    if form.fields:
        page.remember(verb, form.fields)
    return form


def _frame(page: Page, title: str, folded: bool) -> Any:
    if folded:
        return gr.Accordion(page.t(title), open=False, elem_classes="card fold-card")
    return gr.Column(elem_classes="card")


def _lists(page: Page, kind: Any) -> dict[str, Callable[[], Any]]:
    """Lists to choose from, for the paths that mean a voice or a recording."""
    made: dict[str, Callable[[], Any]] = {}
    for name, field in kind.model_fields.items():
        if base_type(field.annotation)[0] is str and name != "model_name":
            continue
        label, text = controls.label(name), field.description or ""
        text = "" if text.rstrip(".") == label else text
        if name in VOICE:
            made[name] = partial(page.voice_list, label, text)
        elif name in SOUND:
            made[name] = partial(page.recording_list, label, text)
    return made
