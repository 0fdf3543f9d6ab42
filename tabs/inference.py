"""Inference: a recording and a voice in, the recording in that voice out."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from rvc.config import as_name, paths
from rvc.errors import BadInput
from rvc.params import Convert, Effects
from rvc.server import fence, machine
from rvc.voices import library
from tabs import controls, presets
from tabs.events import QUIET, guarded, starts
from tabs.page import Page

VERBS = ("infer", "batch-infer")
NO_VOICE = "Train one under Training, or get one under Download."
EMPTY = "Choose a recording and a voice, then press Convert. The result appears here."


class Settings(Convert, Effects):
    """What single and batch conversion have in common."""


def build(page: Page) -> None:
    """One recording or a folder; voice and settings are shared by both."""
    t = page.t
    with gr.Row(elem_classes="workbench", equal_height=False):
        with gr.Column(scale=6, min_width=320, elem_classes="inputs"):
            with gr.Column(elem_classes="card"):
                page.heading("Recording", "What should another voice say or sing?", 1)
                with gr.Tabs(elem_classes="switch-tabs"):
                    with gr.Tab(t("One recording")) as one:
                        recording = recording_choice(page)
                    with gr.Tab(t("Many recordings")) as many:
                        folder = _folder(page)
            with gr.Column(elem_classes="card"):
                page.heading("Voice", "Who should it sound like?", 2)
                voice = voice_choice(page)
            with gr.Column(elem_classes="card"):
                page.heading("Sound", "The defaults suit most recordings; start with the pitch.", 3)
                form = controls.form(Settings, t, start=usable("f0_method"))
                page.ready_note("f0_method")
                presets.build(page, form)
        with gr.Column(scale=5, min_width=300, elem_classes="card result"):
            page.heading("Result")
            page.job_panel(*VERBS, empty=EMPTY)
            page.missing_models("predictors/rmvpe", "embedders/contentvec")
    with gr.Row(elem_classes="actions"):
        convert = gr.Button(t("Convert"), variant="primary", elem_id="convert")
        convert_all = gr.Button(
            t("Convert all"), variant="primary", elem_id="convert-all", visible=False
        )
    both = [convert, convert_all]
    one.select(lambda: _shown(True, False), None, both, **QUIET)
    many.select(lambda: _shown(False, True), None, both, **QUIET)
    job = gr.Textbox(visible=False, label="job")

    def start(source: str | None, pth: str | None, *values: Any) -> str:
        return single(page, source, pth, dict(zip(form.fields, values, strict=True)))

    def start_all(source: str | None, pth: str | None, *values: Any) -> str:
        return batch(page, source, pth, dict(zip(form.fields, values, strict=True)))

    one_of = {"recording": recording, "voice": voice} | form.fields
    starts(convert, start, one_of, job, t, "infer", "convert")
    all_of = {"folder": folder, "voice": voice} | form.fields
    starts(convert_all, start_all, all_of, job, t, "batch-infer", "convert_folder")
    page.remember("inference", {"recording": recording, "voice": voice, "folder": folder})
    page.remember("sound", form.fields)


def usable(*names: str) -> dict[str, str]:
    """Values to begin with for controls whose usual value needs files that are not here."""
    return {name: value for name, value in machine.ready()["chosen"].items() if name in names}


def single(page: Page, source: str | None, pth: str | None, values: dict[str, Any]) -> str:
    """Start converting one recording; returns the job. The server names the result itself."""
    if not source:
        raise BadInput(page.t("No recording is chosen."), page.t("Drop a file or record one."))
    voice = chosen_voice(page, pth)
    ending = controls.read(Settings, values).export_format.lower()
    name = f"{Path(source).stem[:30]} {voice.name[:24]}.{ending}"
    output = fence.fresh(paths().audios, fence.upload_name(name))
    where = {"input_path": source, "output_path": output}
    return page.start("infer", values | where | _files(voice))


def batch(page: Page, source: str | None, pth: str | None, values: dict[str, Any]) -> str:
    """Start converting every recording of a folder into a folder of its own."""
    if not source:
        raise BadInput(page.t("No recordings are chosen."), page.t("Drop files or name a folder."))
    voice = chosen_voice(page, pth)
    name = as_name(f"{Path(source).name[:30]} {voice.name[:24]}".replace(".", "_"), "converted")
    where = {"input_folder": source, "output_folder": fence.fresh(paths().audios, name)}
    files = {"pth_path": [voice.pth], "index_path": [voice.index] if voice.index else []}
    return page.start("batch-infer", values | where | files)


def voice_choice(page: Page, name: str = "voice") -> gr.Dropdown:
    """A list of the voices here, with the facts of the chosen one under it."""
    t = page.t
    with gr.Row(elem_classes="with-button"):
        voice = gr.Dropdown(
            page.voices(),
            value=None,
            label=t("Voice"),
            show_label=False,
            allow_custom_value=True,
            elem_id=name,
            scale=8,
        )
        refresh = gr.Button(t("Refresh"), scale=1, min_width=90, size="sm")
    facts = gr.HTML(facts_of(page, None))

    def again(now: str | None) -> tuple[Any, str]:
        found = page.voices()
        if now in [path for _, path in found]:
            return gr.Dropdown(found), facts_of(page, now)
        first = found[0][1] if found else None
        return gr.Dropdown(found, value=first), facts_of(page, first)

    refresh.click(again, voice, [voice, facts], **QUIET)
    page.on_load(again, [voice], [voice, facts])
    voice.change(lambda now: facts_of(page, now), voice, facts, **QUIET)
    return voice


def chosen_voice(page: Page, pth: str | None) -> library.Voice:
    """The voice behind a path or name of the list.

    Raises:
        BadInput: none is chosen, or it is not among the voices of this program.
    """
    if not pth:
        raise BadInput(page.t("No voice is chosen."), page.t(NO_VOICE))
    for voice in library.voices():
        if pth in (str(voice.pth), voice.name):
            return voice
    raise BadInput(f"{pth} is not one of the voices here.", page.t("Refresh the list of voices."))


def _files(voice: library.Voice) -> dict[str, Any]:
    return {"pth_path": voice.pth, "index_path": voice.index}


def facts_of(page: Page, pth: str | None) -> str:
    """What there is to say about a voice; without any, how to get the first."""
    if pth is None and not page.voices():
        text, hint = page.t("There is no voice here yet."), page.t(NO_VOICE)
        way = '<button type="button" class="plain" data-open="{}">{}</button> '
        titles = {"training": "Training", "download": "Download"}
        ways = "".join(way.format(tab, escape(page.t(title))) for tab, title in titles.items())
        said = f"<p>{escape(text)}</p><p>{escape(hint)}</p>{ways}"
        return f'<div class="notice empty">{said}</div>'
    found = [v for v in library.voices() if pth in (str(v.pth), v.name)]
    return f'<p class="facts">{escape(found[0].sentence())}</p>' if found else ""


def recording_choice(page: Page, name: str = "recording") -> gr.Dropdown:
    """A field to drop or record a sound in, and a list of what is here already."""
    t = page.t
    sound = gr.Audio(
        sources=["upload", "microphone"],
        type="filepath",
        label=t("Drop a recording here, or use the microphone"),
        elem_id=name,
        show_label=False,
        buttons=["download"],  # Gradio's other button would send the sound to a website
    )
    chosen = gr.Dropdown(
        page.recordings(),
        value=None,
        label=t("Chosen recording"),
        info=t("What was dropped or recorded, and what was here before."),
        elem_id=f"chosen-{name}",
        allow_custom_value=True,
    )

    def keep(file: str | None) -> Any:
        if file is None:
            return gr.skip()
        stored = page.store(file, paths().audios)
        return gr.Dropdown(page.recordings(), value=str(stored))

    sound.change(  # dropped, recorded or trimmed
        guarded(keep, t), sound, chosen, show_progress="hidden", api_visibility="private"
    )

    def again(now: str | None) -> Any:
        found = page.recordings()
        if now or len(found) != 1:
            return gr.Dropdown(found)
        return gr.Dropdown(found, value=found[0][1])  # on a fresh machine: the shipped sample

    page.on_load(again, [chosen], [chosen])
    return chosen


def _folder(page: Page) -> gr.Textbox:
    t = page.t
    files = gr.File(
        file_count="multiple",
        file_types=list(fence.AUDIO),
        label=t("Drop several recordings here"),
        show_label=False,
        height=150,
    )
    folder = gr.Textbox(
        label=t("Folder"), info=t("Or the path of a folder with recordings."), max_lines=1
    )

    def keep(dropped: list[str] | None) -> Any:
        if not dropped:
            return gr.skip()
        into = fence.fresh(paths().audios, time.strftime("batch %Y-%m-%d %H%M%S"))
        for file in dropped:
            page.store(file, into)
        return str(into)

    files.upload(guarded(keep, t), files, folder, show_progress="hidden", api_visibility="private")
    return folder


def _shown(*visible: bool) -> list[Any]:
    return [gr.Button(visible=on) for on in visible]
