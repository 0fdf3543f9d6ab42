"""Inference: a recording and a voice in, the recording in that voice out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gradio as gr

from rvc import jobs
from rvc.config import as_name, paths
from rvc.errors import BadInput
from rvc.server import fence, machine
from rvc.voices import library
from tabs import controls, elements, presets
from tabs.choices import chosen_recording, chosen_voice, recording_choice, voice_choice
from tabs.events import QUIET, guarded, starts
from tabs.page import Page

VERBS = ("infer", "batch-infer")
PREVIEW_S = 10
EMPTY = "Choose a recording and a voice, then press Convert. The result appears here."


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
                preset = presets.chooser(page)
                form = controls.form(presets.Sound, t, start=usable("f0_method"))
                page.missing_models("predictors/rmvpe", blocking="sound")
                pitch = elements.holding("pitch-choice", "pitch-file")
                presets.build(page, form, preset)
        with gr.Column(scale=5, min_width=300, elem_classes="card result"):
            page.heading("Result")
            page.job_panel(*VERBS, empty=EMPTY, forms="inference sound")
            takes = elements.holding("takes-list", "takes", verbs="infer", sound=_usual(page))
    with gr.Row(elem_classes="actions"):
        page.run_state("inference", "recording", *VERBS)
        preview = gr.Button(t("Preview 10 s"), elem_id="preview")
        convert = gr.Button(t("Convert"), variant="primary", elem_id="convert")
        convert_all = gr.Button(
            t("Convert all"), variant="primary", elem_id="convert-all", visible=False
        )
    all_three = [preview, convert, convert_all]
    one.select(lambda: _shown(True, True, False), None, all_three, **QUIET)
    many.select(lambda: _shown(False, False, True), None, all_three, **QUIET)
    job = gr.Textbox(visible=False, label="job")

    def start(source: Any, pth: str | None, *values: Any) -> str:
        return single(page, source, pth, dict(zip([*form.fields, "f0_file"], values, strict=True)))

    def start_preview(source: Any, pth: str | None, *values: Any) -> str:
        filled = dict(zip([*form.fields, "f0_file"], values, strict=True))
        return single(page, source, pth, filled | {"preview_s": PREVIEW_S})

    def start_all(source: str | None, pth: str | None, *values: Any) -> str:
        return batch(page, source, pth, dict(zip(form.fields, values, strict=True)))

    one_of = {"recording": recording, "voice": voice} | form.fields | {"f0_file": pitch}
    starts(convert, start, one_of, job, t, "infer", "convert")
    starts(preview, start_preview, one_of, job, t, "infer", "preview")
    all_of = {"folder": folder, "voice": voice} | form.fields
    starts(convert_all, start_all, all_of, job, t, "batch-infer", "convert_folder")
    used = list(one_of.values())
    names = [*form.fields, "f0_file"]
    takes.change(lambda take: again(take, names), takes, used, **QUIET)
    kept = {"recording": recording, "voice": voice, "folder": folder, "f0_file": pitch}
    page.remember("inference", kept)
    page.remember("sound", form.fields)


def again(take: str | None, names: list[str]) -> list[Any]:
    """The recording, the voice and the sound that an earlier job was done with.

    Args:
        take: its id, and whatever makes the same wish another value.
    """
    if not take:
        return [gr.skip()] * (2 + len(names))
    done = jobs.read(take.split()[0])["params"]
    return [done["input_path"], done["pth_path"], *(done.get(name, gr.skip()) for name in names)]


def _usual(page: Page) -> str:
    """What a list of results needs to say how each differs from the usual: values and labels."""
    usual = presets.Sound().model_dump(mode="json") | usable("f0_method")
    fields = presets.Sound.model_fields
    labels = {name: controls.text_of(name, fields[name], page.t)["label"] for name in usual}
    return json.dumps({"usual": usual, "labels": labels}, ensure_ascii=False)


def usable(*names: str) -> dict[str, str]:
    """Values to begin with for controls whose usual value needs files that are not here."""
    return {name: value for name, value in machine.ready()["chosen"].items() if name in names}


def single(page: Page, source: Any, pth: str | None, values: dict[str, Any]) -> str:
    """Start converting one recording; returns the job. The server names the result itself."""
    recording = chosen_recording(page, source)
    if recording is None:
        raise BadInput(page.t("No recording is chosen."), page.t("Drop a file or record one."))
    voice = chosen_voice(page, pth)
    ending = controls.read(presets.Sound, values).export_format.lower()
    name = f"{recording.stem[:30]} {voice.name[:24]}.{ending}"
    output = fence.fresh(paths().audios, fence.upload_name(name))
    curve = elements.given(values.get("f0_file"))
    where = {"input_path": recording, "output_path": output, "f0_file": curve}
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


def _files(voice: library.ListedVoice) -> dict[str, Any]:
    return {"pth_path": voice.pth, "index_path": voice.index}


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
