"""Download: voices from links, files and other installations; model files that are missing."""

from __future__ import annotations

import gradio as gr

from tabs import tools
from tabs.page import Page

VERBS = ("download", "import-voice", "prerequisites", "assets")


def build(page: Page) -> None:
    with gr.Column(elem_classes="narrow"):
        tools.card(page, "download", "Voice from a link", "Download")
        tools.card(page, "import-voice", "Voice from a file or folder", "Import", drop="source")
        page.missing_models("predictors", "embedders/contentvec", "pretraineds/hifi-gan")
        tools.card(page, "prerequisites", "Model files", "Download files", skip=("exe",))
