"""TensorBoard: the curves of all trainings, in TensorBoard itself."""

from __future__ import annotations

import gradio as gr

from tabs import tools
from tabs.page import Page

VERBS = ("tensorboard",)


def build(page: Page) -> None:
    with gr.Column(elem_classes="narrow"):
        tools.card(page, "tensorboard", "TensorBoard", "Start TensorBoard")
