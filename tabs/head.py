"""What is around the page: its head, its header and its style, all our own."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from rvc.audio.formats import PLAYED
from rvc.config import ASSETS
from tabs.i18n import Translate

UI = ASSETS / "ui"
SCRIPTS = (
    "core.js", "address.js", "run.js", "takes.js", "jobs.js", "joblist.js", "player.js",
    "models.js", "recording.js", "voice-face.js", "voice-picker.js", "forms.js",
)  # fmt: skip
LATER = {  # elements whose script is fetched when the first of them appears
    "stem-mixer": "mixer.js",
    "live-desk": "live.js",
    "step-bar": "steps.js",
    "training-time": "training-time.js",
    "voice-progress": "training.js",
    "recordings-box": "dataset.js",
    "voice-library": "voices.js",
    "pitch-choice": "pitch-choice.js",
}
STYLES = ("tokens.css", "icons.css", "app.css", "recordings.css", "voices.css",
          "pitch.css", "live.css")  # fmt: skip


def head(words: dict[str, str], language: str) -> str:
    """What goes into <head>: texts and facts for the live elements and the scripts, all our own.

    Addresses are relative to the page's, and so right under any path.
    """
    scripts = "".join(
        f'<script type="module" src="ui/{name}"></script>'
        for name in SCRIPTS
        if (UI / name).exists()
    )
    return (
        _data("voice-texts", words)
        + _data("voice-facts", {"played": PLAYED, "later": LATER, "language": language})
        + scripts
    )


def _data(name: str, value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).replace("</", "<\\/")
    return f'<script type="application/json" id="{name}">{text}</script>'


def styles() -> list[Path]:
    """The style sheets in the order in which they count, the table of measures first."""
    return [UI / name for name in STYLES if (UI / name).exists()]


def header(t: Translate) -> str:
    tagline = escape(t("Use only voices you have the right to use."))
    check = escape(t("Check this installation"))
    toggle = escape(t("Light or dark"))
    return (
        '<header class="top"><div class="brand"><svg viewBox="0 0 24 24" aria-hidden="true">'
        '<path d="M3 10v4M7.5 6v12M12 3v18M16.5 7v10M21 10v4"/></svg>'
        f"<h1>{escape(t('Voice cloning'))}</h1></div>"
        f'<p class="tagline">{tagline}</p><model-status></model-status><device-chip></device-chip>'
        "<job-list></job-list>"
        f'<a class="header-icon doctor" href="api/doctor" target="_blank" aria-label="{check}" '
        f'title="{check}"><svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" '
        'r="8.5"/><path d="M8 12.5l2.8 2.8L16.3 9"/></svg></a>'
        f'<button type="button" class="header-icon theme-toggle" aria-label="{toggle}" '
        f'title="{toggle}">'
        '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="8.5"/>'
        '<path class="half" d="M12 3.5a8.5 8.5 0 0 1 0 17z"/></svg></button></header>'
    )
