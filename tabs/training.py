"""Training: recordings in, a voice out, in four steps that show where you are."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from rvc import jobs, params, tasks
from rvc.config import named, pasted, paths
from rvc.embedders import SHIPPED
from rvc.errors import BadInput
from rvc.nets import VOCODERS
from rvc.server import machine, progress, uploads
from tabs import controls, elements
from tabs.events import QUIET, starts
from tabs.page import Page

VERBS = ("create-voice",)
STAGES = ("preprocess", "extract", "train", "index")
STEPS = ("Recordings", "Settings", "Run", "Result")
FIELDS = ("vocoder", "sample_rate", "f0_method", "embedder_model", "total_epoch")
QUALITY: dict[str, tuple[Any, ...]] = {  # values of FIELDS
    "Quick try: the small networks that ship, 24 kHz": ("lite", 24000, "swift-f0", SHIPPED, 60),
    "Balanced: HiFi-GAN, 40 kHz, 200 epochs": ("HiFi-GAN", 40000, "rmvpe", "contentvec", 200),
    "Best: HiFi-GAN, 48 kHz, 500 epochs": ("HiFi-GAN", 48000, "rmvpe", "contentvec", 500),
}
STEP_FIELDS = ("model_name", "dataset_path")
UNNAMED = re.compile(rf"{uploads.NEW_SET}( \d+)?")


def build(page: Page) -> None:
    """Four steps, one in view; the buttons that move on stay in view."""
    t = page.t
    with gr.Column(elem_classes="card steps"):
        gr.HTML(f'<step-bar steps="{"|".join(STEPS)}"></step-bar>')
        with _step(1):
            name, dataset = _recordings(page)
        with _step(2):
            form = _settings(page)
        with _step(3):
            stages = _run(page)
        with _step(4):
            page.heading("Result", "The finished voice; it is also listed under Inference.")
            gr.HTML('<voice-progress part="files"></voice-progress>')
    with gr.Row(elem_classes="actions"):
        back = gr.Button(t("Back"), elem_id="back", size="lg")
        forward = gr.Button(t("Next"), elem_id="next", size="lg")
        create = gr.Button(t("Create the voice"), variant="primary", elem_id="create", size="lg")
        use = gr.Button(t("Convert with this voice"), variant="primary", elem_id="use", size="lg")
    for button, step in {back: -1, forward: 1}.items():
        button.click(None, js=f"() => window.voice.move({step})", api_visibility="private")
    _use(page, use, name)
    _start(page, {"create-voice": create} | stages, form, name, dataset)
    page.remember("training", {"model_name": name, "dataset_path": dataset} | form.fields)


def _use(page: Page, button: gr.Button, name: gr.Dropdown) -> None:
    """Take the finished voice to Inference."""

    def made(title: str | None) -> Any:
        listed = page.voices()
        own = [pth for _, pth in listed if Path(pth).parent.name == (title or "").strip()]
        return gr.Dropdown(listed, value=own[0]) if own else gr.skip()

    chosen = button.click(made, name, page.forms["inference"]["voice"], **QUIET)
    chosen.then(None, js="() => window.voice.open('inference')", api_visibility="private")


def _step(number: int) -> gr.Column:
    """Shown by the style sheet while the step bar stands at `number`."""
    return gr.Column(elem_classes=f"step step-{number}")


def _settings(page: Page) -> controls.Form:
    page.heading(STEPS[1], "The defaults make a good voice from ten minutes of speech.")
    t = page.t
    quality = gr.Radio(
        [(t(text), text) for text in QUALITY],
        value=None,
        label=t("How good, how long"),
        info=t("Sets the controls below; how long it takes is known after the first epoch."),
        elem_id="quality",
    )
    choices = [(t(text), *values) for text, values in QUALITY.items()]
    gr.HTML(f"<training-time choices='{escape(json.dumps(choices))}'></training-time>")
    page.missing_models("predictors/rmvpe", "embedders/contentvec", "pretraineds/hifi-gan",
                        blocking="training")  # fmt: skip
    form = controls.form(
        params.CreateVoice,
        page.t,
        skip=STEP_FIELDS,
        folds=_folds(),
        start={"total_epoch": 200} | machine.ready()["chosen"],
    )
    _fit_rates(page, form)
    quality.input(_of_quality, quality, [form.fields[name] for name in FIELDS], **QUIET)
    return form


def _of_quality(text: str) -> list[Any]:
    """The controls of one choice; the rates go with the vocoder."""
    vocoder, rate, *rest = QUALITY[text]
    rates = [(str(r), r) for r in VOCODERS[vocoder].rates]
    return [vocoder, gr.Radio(rates, value=rate), *rest]


def _recordings(page: Page) -> tuple[gr.Dropdown, gr.Dropdown]:
    t = page.t
    page.heading("Recordings", "Ten minutes or more of one clean voice, without music or echo.")
    with gr.Column(elem_classes="grid"):
        name = gr.Dropdown(
            progress.names(),
            value=None,
            allow_custom_value=True,
            label=t("Name of the voice"),
            info=t("Type a new name, or choose a voice to go on with."),
            elem_id="voice-name",
        )
        dataset = gr.Dropdown(
            datasets(),
            value=None,
            allow_custom_value=True,
            label=t("Folder with recordings"),
            info=t("Filled in when you drop files; or a folder of this computer."),
            elem_id="dataset",
        )
    box = elements.holding("recordings-box", "drop-recordings")
    # of the box only what somebody does there: two that follow each other's changes never rest
    box.input(lambda folder: gr.Dropdown(datasets(), value=folder), box, dataset, **QUIET)
    dataset.change(lambda folder: pasted(folder or "") or None, dataset, box, **QUIET)
    name.change(adopt, [name, dataset], dataset, **QUIET)
    page.on_load(lambda: gr.Dropdown(datasets()), [], [dataset])
    page.on_load(lambda: gr.Dropdown(progress.names()), [], [name])
    return name, dataset


def _run(page: Page) -> dict[str, gr.Button]:
    t = page.t
    page.heading("Run", "You may close this page: the work goes on and is shown here again.")
    with gr.Row(equal_height=False, elem_classes="workbench"):
        with gr.Column(min_width=280):
            begin = "Press Create the voice to begin."
            page.job_panel("create-voice", *STAGES, empty=begin, follows="training")
            fold = gr.Accordion(t("Run one stage"), open=False, elem_classes="fold")
            with fold, gr.Row(elem_classes="buttons"):
                texts = ("Cut recordings", "Pitch and features", "Train", "Build index")
                stages = {
                    stage: gr.Button(t(text), size="sm", elem_id=f"stage-{stage}")
                    for stage, text in zip(STAGES, texts, strict=True)
                }
        with gr.Column(min_width=280):
            gr.HTML('<voice-progress part="stages"></voice-progress>')
    return stages


def _start(
    page: Page,
    buttons: dict[str, gr.Button],
    form: controls.Form,
    name: gr.Dropdown,
    dataset: gr.Dropdown,
) -> None:
    job = gr.Textbox(visible=False, label="job")

    def starter(verb: str) -> Any:
        def start(model_name: str, dataset_path: str | None, *values: Any) -> str:
            filled = dict(zip(form.fields, values, strict=True))
            return begin(page, verb, model_name, dataset_path, filled)

        return start

    inputs = {"model_name": name, "dataset_path": dataset} | form.fields
    for verb, button in buttons.items():
        started = starts(button, starter(verb), inputs, job, page.t, verb)
        started.success(None, js="() => window.voice.step(3)", api_visibility="private")


def begin(
    page: Page, verb: str, name: str | None, dataset: str | None, values: dict[str, Any]
) -> str:
    """Start the whole pipeline or one stage; returns the job."""
    if not name or not name.strip():
        raise BadInput(
            page.t("The voice has no name yet."), page.t("Give it one under Recordings.")
        )
    named(paths().logs, name)
    needs_data = "dataset_path" in tasks.VERBS[verb].params.model_fields
    if needs_data and not dataset:
        raise BadInput(
            page.t("There are no recordings yet."), page.t("Drop some under Recordings.")
        )
    return page.start(verb, values | {"model_name": name.strip(), "dataset_path": dataset})


def datasets() -> list[tuple[str, str]]:
    """(name, path) of the folders in assets/datasets."""
    root = paths().datasets
    found = [f for f in root.iterdir() if f.is_dir()] if root.is_dir() else []
    return [(f.name, str(f)) for f in sorted(found)]


def adopt(voice: str | None, folder: str | None) -> Any:
    """Recordings that were dropped before their voice had a name get its name."""
    home = Path(folder or "")
    unnamed = home.parent == paths().datasets and UNNAMED.fullmatch(home.name)
    if not unnamed or not home.is_dir() or not voice or not voice.strip() or _in_use(home):
        return gr.skip()
    try:
        wanted = named(paths().datasets, voice)
    except BadInput:  # said when the training is begun
        return gr.skip()
    if wanted.exists():
        return gr.skip()
    home.rename(wanted)
    return gr.Dropdown(datasets(), value=str(wanted))


def _in_use(folder: Path) -> bool:
    running = [job for job in jobs.listing() if job["state"] not in jobs.FINISHED]
    return any(job["params"].get("dataset_path") == str(folder) for job in running)


def _folds() -> dict[str, list[str]]:
    return {
        "Cutting": list(params.Preprocess.model_fields),
        "Pitch and features": list(params.Extract.model_fields),
        "Training": list(params.Train.model_fields),
    }


def _fit_rates(page: Page, form: controls.Form) -> None:
    """Each vocoder has its own sample rates."""

    def rates(vocoder: str, now: int) -> Any:
        known = VOCODERS[vocoder].rates
        kept = now if now in known else known[min(1, len(known) - 1)]
        return gr.Radio([(str(r), r) for r in known], value=kept)

    vocoder, rate = form.fields["vocoder"], form.fields["sample_rate"]
    vocoder.input(rates, [vocoder, rate], rate, **QUIET)
    page.on_load(rates, [vocoder, rate], [rate])
