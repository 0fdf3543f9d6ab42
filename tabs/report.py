"""Report a bug: everything a helper would ask for, ready to copy; nothing is sent anywhere."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import gradio as gr

from rvc import __version__, jobs
from tabs.events import endpoint
from tabs.page import Page

PACKAGES = ("torch", "torchaudio", "gradio", "faiss-cpu", "numpy", "onnxruntime")


def build(page: Page) -> None:
    t = page.t
    with gr.Column(elem_classes="card narrow"):
        page.heading("Report a bug", "Describe what you did, then copy everything into a report.")
        story = gr.Textbox(
            lines=4,
            label=t("What happened?"),
            info=t("What you did, what you expected and what you got instead."),
        )
        make = gr.Button(t("Prepare the report"), variant="primary", elem_id="make-report")
        text = gr.Textbox(
            lines=14,
            max_lines=24,
            label=t("Report"),
            info=t("Look through it before you share it: it names files of yours."),
            buttons=["copy"],
        )
    said = (report.__doc__ or "").strip()
    endpoint(make.click, report, {"story": story}, text, t, "report", said)


def report(story: str | None) -> str:
    """Versions, platform, and the newest job that failed with the end of its log."""
    lines = [(story or "").strip(), ""]
    lines.append(f"Program {__version__}, Python {platform.python_version()}")
    lines.append(platform.platform())
    lines += [f"{name} {_version(name)}" for name in PACKAGES]
    failed = next((j for j in jobs.listing(50) if j["state"] == "failed"), None)
    if failed:
        shown: dict[str, Any] = {k: failed[k] for k in ("verb", "params", "note", "error")}
        lines += ["", f"Newest failed job {failed['id']}:", json.dumps(shown, indent=1)]
        lines += ["", "Log:", jobs.tail(failed["id"], 30)]
    return "\n".join(lines).strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
