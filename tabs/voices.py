"""Voices: a card for each, what can be done with it, how further ones come in, and every tool."""

from __future__ import annotations

from typing import Any

import gradio as gr

from tabs.cards import card
from tabs.events import QUIET
from tabs.page import Page

TOOLS = (  # verb, title, button, parameter filled in by a drop
    ("import-voice", "Voice from a file or folder", "Import", "source"),
    ("download", "Voice from a link", "Download", ""),
    ("model-blender", "Voice Blender", "Blend", ""),
    ("model-information", "Model information", "Show", ""),
    ("model-edit", "Name and author of a voice", "Change", ""),
    ("model-extract", "Voice from a training checkpoint", "Extract", ""),
    ("model-convert", "Convert a voice file", "Convert file", ""),
    ("export-onnx", "Export to ONNX", "Export", ""),
    ("export-voice", "Pack a voice", "Pack", ""),
    ("delete-voice", "Delete a voice", "Delete", ""),
)
VERBS = tuple(verb for verb, *_ in TOOLS)


def build(page: Page) -> None:
    """The library on top; below it the same tools with all their settings, folded."""
    gr.HTML("<voice-library></voice-library>", padding=False)
    with gr.Column(elem_classes="narrow"):
        page.heading("All voice tools", "With every setting; open one.")
        for verb, title, action, drop in TOOLS:
            card(page, verb, title, action, folded=True, drop=drop)
    if "inference" in page.forms:
        _taken(page, "inference", page.forms["inference"]["voice"])
    if "training" in page.forms:
        _taken(page, "training", page.forms["training"]["model_name"])


def _taken(page: Page, tab: str, field: Any) -> None:
    """An unseen button with which a card hands `window.voice.wanted` to a field of another tab."""
    value = gr.Textbox(visible=False)
    button = gr.Button(tab, elem_id=f"take-{tab}", elem_classes="take")

    def take(wanted: str) -> Any:
        listed = page.voices()
        if wanted in {path for _, path in listed}:
            return gr.Dropdown(listed, value=wanted)
        return gr.Dropdown(value=wanted)

    event = button.click(take, value, field, js="() => [window.voice.wanted]", **QUIET)
    event.then(None, js=f"() => window.voice.open('{tab}')", api_visibility="private")
