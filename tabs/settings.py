"""Settings: what is kept between runs."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from rvc import plugins
from rvc.config import Settings, load_settings, save_settings
from rvc.errors import BadInput
from rvc.params.base import limits
from tabs import cards, controls
from tabs.events import endpoint
from tabs.i18n import LANGUAGES, Translate
from tabs.page import Page


def build(page: Page) -> None:
    """A form over `config.Settings`; saving is one atomic write."""
    t = page.t
    with gr.Column(elem_classes="card narrow"):
        page.heading("Settings", "Kept in assets/config.json.")
        fields = _fields(t)
        save = gr.Button(t("Save"), variant="primary", elem_id="save-settings")
        told = gr.HTML()
        page.heading("Plugins", "Installed packages that add something.")
        added = gr.HTML()

    def keep(*values: Any) -> str:
        _keep(dict(zip(fields, values, strict=True)))
        return f'<div class="notice good"><p>{t("Saved.")}</p></div>'

    with gr.Column(elem_classes="narrow"):
        cards.card(page, "prerequisites", "Model files", "Download files", skip=("exe",))
    page.on_load(_kept, [], list(fields.values()))
    page.on_load(lambda: _plugins(t), [], [added])
    text = "Keep the settings in assets/config.json."
    saved = endpoint(save.click, keep, fields, told, t, "save_settings", text)
    saved.success(None, js="() => window.voice.renew()", api_visibility="private")


def _fields(t: Translate) -> dict[str, Any]:
    """The controls, empty: what is kept is filled in when the page is opened."""
    languages = [(t("As the system"), "auto"), *((name, code) for code, name in LANGUAGES.items())]
    return {
        "language": gr.Dropdown(
            languages, label=t("Language"), info=t("Of the page, for everybody who opens it.")
        ),
        "model_author": gr.Textbox(
            label=t("Author"), info=t("Written into the voices you train."), max_lines=1
        ),
        "precision": gr.Radio(
            ["auto", "fp32", "fp16", "bf16"],
            label=t("Precision"),
            info=t("auto takes what is safe and fast on this device."),
        ),
        "offline": gr.Checkbox(label=t("Offline"), info=t("Never open a network connection.")),
        "mirrors": gr.Textbox(
            lines=2,
            label=t("Mirrors"),
            info=t("Further places to get model files from, one address per line."),
        ),
        "worker_warm": gr.Checkbox(
            label=t("Ready from the start"),
            info=t("Load what conversions need together with the server, not at the first one."),
        ),
        "worker_idle_min": _number(
            "worker_idle_min",
            t("Minutes until memory is freed"),
            t("After so long without a conversion; the next one loads everything again."),
        ),
        "worker_memory_mb": _number(
            "worker_memory_mb",
            t("Memory for conversions in MB"),
            t(
                "Voices that were used last stay loaded in half of it; "
                "0 takes half of this machine's memory."
            ),
        ),
    }


def _number(name: str, label: str, info: str) -> gr.Number:
    """A setting's number within its declared limits."""
    declared = Settings.model_fields[name]
    low, high = limits(declared)
    whole = 0 if declared.annotation is int else None
    return gr.Number(label=label, info=info, precision=whole, minimum=low, maximum=high)


def _plugins(t: Translate) -> str:
    """What packages add, from which package and folder, and what is known to be wrong with it."""
    rows = []
    wrong = plugins.problems()
    for plugin in plugins.installed():
        text = f"{plugin} ({plugin.place})" + (f": {wrong[plugin]}" if plugin in wrong else "")
        rows.append(f"<li>{escape(text)}</li>")
    none = f'<p class="facts">{escape(t("There are none."))}</p>'
    return f'<ul class="facts">{"".join(rows)}</ul>' if rows else none


def _kept() -> list[Any]:
    now = load_settings()
    general = [now.language, now.model_author, now.precision, now.offline, "\n".join(now.mirrors)]
    return [*general, now.worker_warm, now.worker_idle_min, now.worker_memory_mb]


def _keep(given: dict[str, Any]) -> None:
    given["mirrors"] = [line.strip() for line in given["mirrors"].splitlines() if line.strip()]
    if wrong := [m for m in given["mirrors"] if not m.startswith("https://")]:
        raise BadInput(f"{wrong[0]} is not a mirror.", "Addresses begin with https://.")
    given = {name: value for name, value in given.items() if value is not None}  # an emptied number
    save_settings(controls.read(Settings, load_settings().model_dump() | given))
