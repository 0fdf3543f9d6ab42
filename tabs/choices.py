"""What is converted, and into which voice: the choices that several tabs share."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from rvc.config import paths
from rvc.errors import BadInput
from rvc.voices import library
from tabs import elements
from tabs.events import QUIET
from tabs.page import Page

NO_VOICE = "Train one under Training, or get one under Voices."


def voice_choice(page: Page, name: str = "voice") -> gr.Dropdown:
    """A list of the voices here, with the facts of the chosen one under it."""
    t = page.t
    with gr.Row(elem_classes="with-button"):
        voice = gr.Dropdown(
            page.voices(),
            value=None,
            label=t("Voice"),
            show_label=False,
            allow_custom_value=True,
            elem_id=name,
            scale=8,
        )
        choose = gr.Button(t("All voices"), scale=1, min_width=110, size="sm")
    facts = gr.HTML(facts_of(page, None))

    def again(now: str | None) -> tuple[Any, str]:
        found = page.voices()
        if now in [path for _, path in found]:
            return gr.Dropdown(found, value=now), facts_of(page, now)
        first = found[0][1] if found else None
        return gr.Dropdown(found, value=first), facts_of(page, first)

    pick = "async (now) => [await window.voice.pickVoice(now)]"
    choose.click(again, voice, [voice, facts], js=pick, **QUIET)
    page.on_load(again, [voice], [voice, facts])
    voice.change(lambda now: facts_of(page, now), voice, facts, **QUIET)
    return voice


def chosen_voice(page: Page, pth: str | None) -> library.ListedVoice:
    """The voice behind a path or name of the list.

    Raises:
        BadInput: none is chosen, or it is not among the voices of this program.
    """
    if not pth:
        raise BadInput(page.t("No voice is chosen."), page.t(NO_VOICE))
    for voice in library.voices():
        if pth in (str(voice.pth), voice.name):
            return voice
    raise BadInput(f"{pth} is not one of the voices here.", page.t("Refresh the list of voices."))


def facts_of(page: Page, pth: str | None) -> str:
    """What there is to say about a voice; without any, how to get the first."""
    if pth is None and not page.voices():
        text, hint = page.t("There is no voice here yet."), page.t(NO_VOICE)
        way = '<button type="button" class="plain" data-open="{}">{}</button> '
        titles = {"training": "Training", "voices": "Voices"}
        ways = "".join(way.format(tab, escape(page.t(title))) for tab, title in titles.items())
        said = f"<p>{escape(text)}</p><p>{escape(hint)}</p>{ways}"
        return f'<div class="notice empty">{said}</div>'
    found = [v for v in library.voices() if pth in (str(v.pth), v.name)]
    if not found:
        return ""
    face = f'<voice-face pth="{escape(str(found[0].pth))}"></voice-face>'
    return f'<div class="voice-line">{face}<p class="facts">{escape(found[0].sentence())}</p></div>'


def recording_choice(page: Page, name: str = "recording") -> gr.HTML:
    """A card to drop, choose or record one recording; its value is the recording's path."""
    chosen = elements.holding("recording-card", name)

    def again(now: str | None) -> Any:
        if now and _is_there(page, now):
            return gr.skip()
        found = page.recordings()
        return found[0][1] if len(found) == 1 else None  # on a fresh machine: the shipped sample

    page.on_load(again, [chosen], [chosen])
    return chosen


def chosen_recording(page: Page, given: Any) -> Path | None:
    """The recording behind the value of a card, or of a Python client that has sent its file."""
    path = elements.given(given)
    if path is None:
        return None
    sent = (paths().cache / "uploads").resolve()
    return page.store(path, paths().audios, once=True) if _within(sent, path) else Path(path)


def _within(folder: Path, path: str) -> bool:
    try:
        return Path(path).resolve().is_relative_to(folder)
    except (OSError, ValueError):  # a NUL byte, a loop of links
        return False


def _is_there(page: Page, path: str) -> bool:
    try:
        return page.fence.may_read(Path(path)) and Path(path).is_file()
    except (OSError, ValueError):
        return False
