"""What every tab builds with: headings, lists, job panels, values the browser keeps."""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from rvc import jobs, tasks
from rvc.audio.formats import is_sound_name
from rvc.config import kit, paths
from rvc.server import fence
from rvc.server.fence import AUDIO, Fence
from rvc.voices import library
from tabs import controls
from tabs.events import QUIET
from tabs.i18n import Translate

SCRIPT = 'new URL("ui/forms.js", document.baseURI).href'
FORMS = f"(await import({SCRIPT}), window.voice)"  # also where it is not loaded yet


@dataclass
class Page:
    """What every tab needs.

    Attributes:
        t: translation.
        fence: which files may be touched.
        forms: the components whose values the browser keeps, by form and name.
        loads: what to look up when a browser opens the page: how, from what, for what.
    """

    t: Translate
    fence: Fence
    forms: dict[str, dict[str, Any]] = field(default_factory=dict)
    loads: list[tuple[Callable[..., Any], list[Any], list[Any]]] = field(default_factory=list)

    def heading(self, text: str, help_text: str = "", number: int | None = None) -> None:
        """A section's title, with one line that says what it is for."""
        mark = f'<span class="number">{number}</span>' if number else ""
        note = f"<p>{escape(self.t(help_text))}</p>" if help_text else ""
        gr.HTML(f'<div class="heading"><h2>{mark}{escape(self.t(text))}</h2>{note}</div>')

    def job_panel(
        self,
        *verbs: str,
        empty: str = "",
        facts: bool = False,
        follows: str = "",
        forms: str = "",
        everybodys: bool = False,
    ) -> None:
        """Live view of the newest job of some verbs that this tab of the browser began.

        Args:
            facts: show all its result says.
            follows: form whose voice it is about, while none of the jobs runs; whoever began it.
            forms: the forms it was begun from: a result of other values says so.
            everybodys: show the newest of all jobs, whoever began it.
        """
        said = {
            "verbs": " ".join(verbs),
            "empty": self.t(empty),
            "follows": follows,
            "forms": forms,
        }
        told = "".join(f' {name}="{escape(text)}"' for name, text in said.items() if text)
        flags = " facts" * facts + " everybodys" * everybodys
        gr.HTML(f"<job-panel{told}{flags}></job-panel>")

    def run_state(self, form: str, needs: str, *verbs: str) -> None:
        """Beside the main button: what is still missing in a form, or how far its job is.

        Args:
            needs: the value that is asked for before the voice.
        """
        said = f'verbs="{" ".join(verbs)}" form="{form}" needs="{needs}"'
        gr.HTML(f"<run-state {said}></run-state>", elem_classes="run-state")

    def missing_models(self, *sets: str, blocking: str = "") -> None:
        """A card with a Download button while files of these sets are absent.

        Args:
            blocking: a form: only while its values need what is absent.
        """
        form = f' form="{blocking}"' if blocking else ""
        gr.HTML(f'<missing-models sets="{" ".join(sets)}"{form}></missing-models>')

    def start(self, verb: str, values: dict[str, Any]) -> str:
        """Start a job from values of a form; returns its id.

        Raises:
            VoiceError: the values are wrong, or the voice is busy.
        """
        p = controls.read(tasks.VERBS[verb].params, values)
        return jobs.start(verb, self.fence.check(p))

    def store(
        self, uploaded: str, folder: Path, kinds: tuple[str, ...] = AUDIO, once: bool = False
    ) -> Path:
        """Keep an uploaded file under a clean name of its own; returns where.

        Args:
            once: a file of the same name and content is that file, not a second one.
        """
        source = Path(uploaded)
        name = fence.upload_name(source.name, kinds)
        same = folder / name
        if once and same.is_file() and filecmp.cmp(source, same, shallow=False):
            return same
        file = fence.fresh(folder, name)
        shutil.copyfile(source, file)
        return file

    def remember(self, key: str, components: dict[str, Any]) -> None:
        """Keep values in the browser, so that neither reload nor restart loses them."""
        names = json.dumps(list(components))
        kept = list(components.values())
        save = f"async (...values) => {FORMS}.save({key!r}, {names}, values)"
        quiet = QUIET | {"trigger_mode": "always_last"}
        gr.on([c.change for c in kept], None, kept, None, js=save, **quiet)
        self.forms[key] = components

    def on_load(self, fn: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
        """Do something whenever a browser opens the page, after the values are back."""
        self.loads.append((fn, inputs, outputs))

    def voice_list(self, text: str, help_text: str) -> gr.Dropdown:
        """A list of the voices here that is fresh whenever the page is opened."""
        listed = gr.Dropdown(
            self.voices(), value=None, label=self.t(text), info=self.t(help_text) or None,
            allow_custom_value=True,
        )  # fmt: skip
        self.on_load(lambda: gr.Dropdown(self.voices()), [], [listed])
        return listed

    def recording_list(self, text: str, help_text: str) -> gr.Dropdown:
        """A list of the recordings here that is fresh whenever the page is opened."""
        listed = gr.Dropdown(
            self.recordings(), value=None, label=self.t(text), info=self.t(help_text) or None,
            allow_custom_value=True,
        )  # fmt: skip
        self.on_load(lambda: gr.Dropdown(self.recordings()), [], [listed])
        return listed

    def recordings(self) -> list[tuple[str, str]]:
        """(name, path) of the recordings in assets/audios, newest first, and the shipped sample."""
        root = paths().audios
        found = [f for f in root.iterdir() if is_sound_name(f)] if root.is_dir() else []
        found.sort(key=lambda f: -f.stat().st_mtime)
        found += sorted(kit().glob("*/sample.flac"))
        return [(f.name, str(f)) for f in found]

    def voices(self) -> list[tuple[str, str]]:
        """(name, path) of the voices under logs/."""
        return [(v.name, str(v.pth)) for v in library.voices()]
