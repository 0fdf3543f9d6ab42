"""Extra: look into voices and recordings, and rework voice files."""

from __future__ import annotations

import gradio as gr

from tabs import tools
from tabs.page import Page

CARDS = (  # verb, title, button
    ("model-information", "Model information", "Show"),
    ("f0-curve", "Pitch curve", "Draw"),
    ("audio-analyzer", "Audio analyser", "Analyse"),
    ("dataset-report", "Recordings report", "Examine"),
    ("export-onnx", "Export to ONNX", "Export"),
    ("model-extract", "Voice from a training checkpoint", "Extract"),
    ("model-edit", "Name and author of a voice", "Change"),
    ("model-convert", "Convert a voice file", "Convert file"),
    ("export-voice", "Pack a voice", "Pack"),
    ("delete-voice", "Delete a voice", "Delete"),
)
VERBS = tuple(verb for verb, _, _ in CARDS)


def build(page: Page) -> None:
    with gr.Column(elem_classes="narrow"):
        page.heading("Extra", "Small tools; open one.")
        for verb, title, action in CARDS:
            tools.card(page, verb, title, action, folded=True)
