"""Live: another voice while one speaks, with this browser or with devices of this machine."""

from __future__ import annotations

import gradio as gr

from rvc.params import Live
from tabs import controls
from tabs.page import Page

VERBS = ("realtime",)
ELSEWHERE = ("pth_path", "index_path", "embedder_model_custom", "gpu", "seed")
ROUTING = "In Discord, OBS or a game, choose the other end of a virtual cable as the microphone."


def build(page: Page) -> None:
    """The desk on the left, how the voice sounds on the right."""
    t = page.t
    with gr.Row(elem_classes="workbench", equal_height=False):
        with gr.Column(scale=6, min_width=320, elem_classes="card"):
            page.heading("Live", "Speak, and be heard in another voice.")
            gr.HTML("<live-desk></live-desk>", elem_id="live")
            gr.HTML(f'<p class="facts">{t(ROUTING)}</p>')
        with gr.Column(scale=5, min_width=300, elem_classes="card"):
            page.heading("Sound", "What you change is heard at once.")
            form = controls.form(Live, t, skip=ELSEWHERE)
    # by names of their own: what suits recordings on this machine is not put in their place
    page.remember("live", {f"live_{name}": field for name, field in form.fields.items()})
