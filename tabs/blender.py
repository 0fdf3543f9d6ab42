"""Voice Blender: two voices in, one in between out."""

from __future__ import annotations

import gradio as gr

from tabs import tools
from tabs.page import Page

VERBS = ("model-blender",)


def build(page: Page) -> None:
    with gr.Column(elem_classes="narrow"):
        tools.card(page, "model-blender", "Voice Blender", "Blend")
