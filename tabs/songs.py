"""Songs: one file in, the same song in another voice out, and its stems as a mixer."""

from __future__ import annotations

from typing import Any

import gradio as gr

from rvc.errors import BadInput
from rvc.params import Cover
from tabs import controls
from tabs.choices import chosen_recording, chosen_voice, recording_choice, voice_choice
from tabs.events import starts
from tabs.inference import usable
from tabs.page import Page

VERBS = ("cover",)
FIELDS = ("pitch", "key", "index_rate", "protect", "f0_method", "voice_gain",
          "accompaniment_gain", "quiet_below", "export_format", "model", "lead", "backing",
          "dereverb")  # fmt: skip
EMPTY = "Choose a song and a voice, then press Make the cover. Its stems appear here as a mixer."
RIGHTS = "Use songs and voices that you have the right to use."


def build(page: Page) -> None:
    """Song, voice and a few settings on the left, the mixer on the right, as under Inference."""
    t = page.t
    with gr.Row(elem_classes="workbench", equal_height=False):
        with gr.Column(scale=6, min_width=320, elem_classes="inputs"):
            with gr.Column(elem_classes="card"):
                page.heading("Song", "Which song should another voice sing?", 1)
                song = recording_choice(page, "song")
                gr.HTML(f'<p class="facts">{t(RIGHTS)}</p>')
            with gr.Column(elem_classes="card"):
                page.heading("Voice", "Who should it sound like?", 2)
                voice = voice_choice(page, "song-voice")
            with gr.Column(elem_classes="card"):
                page.heading("Sound", "The defaults suit most songs; start with the pitch.", 3)
                form = controls.form(Cover, t, only=FIELDS, start=usable("f0_method"))
        with gr.Column(scale=5, min_width=300, elem_classes="card result"):
            page.heading("Result")
            page.job_panel(*VERBS, empty=EMPTY, forms="songs")
    with gr.Row(elem_classes="actions"):
        page.run_state("songs", "song", *VERBS)
        go = gr.Button(t("Make the cover"), variant="primary", elem_id="make-cover", size="lg")
    job = gr.Textbox(visible=False, label="job")

    def begin(source: Any, pth: str | None, *values: Any) -> str:
        return start(page, source, pth, dict(zip(form.fields, values, strict=True)))

    starts(go, begin, {"song": song, "voice": voice} | form.fields, job, t, "cover", "cover")
    page.remember("songs", {"song": song, "voice": voice} | form.fields)


def start(page: Page, source: Any, pth: str | None, values: dict[str, Any]) -> str:
    """Start a cover with everything that the mixer needs; returns the job."""
    song = chosen_recording(page, source)
    if song is None:
        raise BadInput(page.t("No song is chosen."), page.t("Drop a file."))
    voice = chosen_voice(page, pth)
    mixer = {"acapella": True, "keep_stems": True, "overwrite": True}
    files = {"input_path": song, "pth_path": voice.pth, "index_path": voice.index}
    return page.start("cover", values | files | mixer)
