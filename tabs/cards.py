"""Small verbs as cards (form, button, result), and the tabs that are made of nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from rvc import tasks
from rvc.params.base import base_type
from rvc.server import fence
from tabs import controls
from tabs.events import guarded, starts
from tabs.page import Page

SOUND = ("input_path", "audio_path", "recording")
VOICE = ("pth_path", "pth_path_1", "pth_path_2")

TENSORBOARD = ("tensorboard",)
EXTRA = (  # verb, title, button
    ("f0-curve", "Pitch curve", "Draw"),
    ("audio-analyzer", "Audio analyser", "Analyse"),
    ("dataset-report", "Recordings report", "Examine"),
)


def extra(page: Page) -> None:
    """Look into recordings."""
    with gr.Column(elem_classes="narrow"):
        page.heading("Extra", "Small tools; open one.")
        for verb, title, action in EXTRA:
            card(page, verb, title, action, folded=True)


def tensorboard(page: Page) -> None:
    """The curves of all trainings, in TensorBoard itself."""
    with gr.Column(elem_classes="narrow"):
        card(page, "tensorboard", "TensorBoard", "Start TensorBoard")


def card(
    page: Page,
    verb: str,
    title: str,
    action: str,
    skip: tuple[str, ...] = (),
    start: dict[str, Any] | None = None,
    folded: bool = False,
    drop: str = "",
) -> controls.Form | None:
    """Build the card of a verb; None where the verb does not exist.

    Args:
        title: heading. action: text of the button.
        skip: parameters that are left at their defaults.
        folded: show the title only, until it is opened.
        drop: parameter that is filled in when voice files are dropped on the card.
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
        zone = _drop_zone(page) if drop else None
        form = controls.form(kind, page.t, skip=skip, start=start, replace=_lists(page, kind))
        go = gr.Button(page.t(action), variant="primary", elem_id=f"do-{verb}", size="md")
        page.job_panel(verb, facts=True, forms=verb, everybodys=verb in TENSORBOARD)
    job = gr.Textbox(visible=False, label="job")
    if zone:
        keep = guarded(partial(_keep, page), page.t)
        zone.upload(keep, zone, form.fields[drop], show_progress="hidden", api_visibility="private")

    def begin(*values: Any) -> str:
        return page.start(verb, dict(zip(form.fields, values, strict=True)))

    starts(go, begin, form.fields, job, page.t, verb)
    if form.fields:
        page.remember(verb, form.fields)
    return form


def _drop_zone(page: Page) -> gr.File:
    return gr.File(
        file_count="multiple",
        file_types=list(fence.VOICE),
        label=page.t("Drop a voice here: .pth, .index, .safetensors or .zip"),
        show_label=False,
        height=130,
        elem_classes="drop-voice",
    )


def _keep(page: Page, files: list[str] | None) -> Any:
    """Put what was dropped where an import finds it; the file, or the folder of several."""
    if not files:
        return gr.skip()
    into = fence.drop_room(time.strftime("%Y-%m-%d %H%M%S"))
    kept = [page.store(file, into, fence.VOICE) for file in files]
    return str(kept[0] if len(kept) == 1 else into)


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
