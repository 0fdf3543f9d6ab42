"""Voice Blender: two voices in, one in between out."""

from __future__ import annotations

import gradio as gr

from tabs import tools
from tabs.inference import facts_of
from tabs.page import Page

VERBS = ("model-blender",)


def build(page: Page) -> None:
    with gr.Column(elem_classes="narrow"):
        hint = gr.HTML(facts_of(page, None))
        page.on_load(lambda: facts_of(page, None), [], [hint])
        tools.card(page, "model-blender", "Voice Blender", "Blend")
