"""TTS: text in, speech in a chosen voice out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from rvc.config import paths
from rvc.errors import BadInput
from rvc.params import Convert, Tts
from rvc.server import fence
from rvc.tts import speak as speech_text
from tabs import controls
from tabs.choices import chosen_voice, voice_choice
from tabs.events import starts
from tabs.inference import usable
from tabs.page import Page

VERBS = ("tts",)
SPEECH = ("tts_voice", "tts_engine", "tts_rate")
CHOSEN_HERE = (
    "tts_text",
    "tts_file",
    "output_tts_path",
    "output_rvc_path",
    "pth_path",
    "index_path",
)
LONGEST_TEXT = 100_000  # characters of a file shown in the text field
EMPTY = "Write a text, choose a voice and press Speak."


def build(page: Page) -> None:
    """Text and speech on the left, the result on the right, as under Inference."""
    t = page.t
    with gr.Row(elem_classes="workbench", equal_height=False):
        with gr.Column(scale=6, min_width=320, elem_classes="inputs"):
            with gr.Column(elem_classes="card"):
                page.heading("Text", "What should be said?", 1)
                text = gr.Textbox(
                    lines=4, label=t("Text"), info=t("Or drop a text file below."), elem_id="text"
                )
                file = gr.UploadButton(
                    t("Text file"), file_types=[".txt"], size="sm", elem_classes="left"
                )
                speech = controls.form(Tts, t, only=SPEECH)
            with gr.Column(elem_classes="card"):
                page.heading("Voice", "Who should it sound like?", 2)
                voice = voice_choice(page, "tts-voice")
            with gr.Column(elem_classes="card"):
                page.heading("Sound", "The defaults suit most recordings; start with the pitch.", 3)
                skip = (*SPEECH, *CHOSEN_HERE)
                sound = controls.form(Tts, t, skip=skip, start=usable("f0_method"))
        with gr.Column(scale=5, min_width=300, elem_classes="card result"):
            page.heading("Result")
            page.job_panel(*VERBS, empty=EMPTY, forms="tts")
    with gr.Row(elem_classes="actions"):
        page.run_state("tts", "text", *VERBS)
        speak = gr.Button(t("Speak"), variant="primary", elem_id="speak", size="lg")
    job = gr.Textbox(visible=False, label="job")
    fields = speech.fields | sound.fields

    def begin(said: str, pth: str | None, *values: Any) -> str:
        return start(page, said, pth, dict(zip(fields, values, strict=True)))

    starts(speak, begin, {"text": text, "voice": voice} | fields, job, t, "tts")
    file.upload(_read, file, text, show_progress="hidden", api_visibility="private")
    page.remember("tts", {"text": text, "voice": voice} | fields)


def start(page: Page, text: str, pth: str | None, values: dict[str, Any]) -> str:
    """Start speaking; the server names speech and result itself."""
    if not text.strip():
        raise BadInput(page.t("There is no text yet."), page.t("Write what should be said."))
    voice = chosen_voice(page, pth)
    ending = controls.read(Convert, values).export_format.lower()
    result = fence.fresh(paths().audios, fence.upload_name(f"spoken {voice.name[:30]}.{ending}"))
    where = {
        "tts_text": text,
        "output_tts_path": result.with_name(f"{result.stem} speech.wav"),
        "output_rvc_path": result,
        "pth_path": voice.pth,
        "index_path": voice.index,
    }
    return page.start("tts", values | where)


def _read(file: str) -> str:
    return speech_text.read_text(Path(file))[:LONGEST_TEXT]
