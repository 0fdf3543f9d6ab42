"""Named sets of the sound settings: built in, saved, imported, exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from rvc import files
from rvc.config import ASSETS, named, paths
from rvc.errors import BadInput
from rvc.params import Convert, Effects
from rvc.server import machine
from tabs import controls
from tabs.controls import Form
from tabs.events import QUIET, endpoint, guarded
from tabs.page import Page

OF_THIS_MACHINE = ("gpu", "sid", "embedder_model_custom")  # mean nothing for another voice
OLDER = {"rms_mix_rate": "volume_envelope"}
MAX_BYTES = 100_000
SHORT_S = 4  # a message that only confirms
SAVE = """(made) => {
  const name = made.orig_name ?? "preset.json";
  Object.assign(document.createElement("a"), { href: made.url, download: name }).click();
}"""


class Sound(Convert, Effects):
    """What single and batch conversion have in common: all that a preset can hold."""


KEYS = tuple(name for name in Sound.model_fields if name not in OF_THIS_MACHINE)


def chooser(page: Page) -> gr.Dropdown:
    """The list of presets, to stand above the controls that they set."""
    t = page.t
    return gr.Dropdown(names(), value=None, label=t("Preset"), info=t("Sets the controls below."))


def build(page: Page, form: Form, chosen: gr.Dropdown) -> None:
    """A fold with what can be done with presets: save, delete, import, export, back to usual."""
    t = page.t
    with gr.Accordion(t("Presets"), open=False, elem_classes="fold"):
        name = gr.Textbox(label=t("Name"), info=t("To save the controls under."), max_lines=1)
        with gr.Row(elem_classes="buttons"):
            save = gr.Button(t("Save preset"), size="sm")
            load = gr.UploadButton(t("Import preset"), file_types=[".json"], size="sm")
            export = gr.Button(t("Export preset"), size="sm")
            delete = gr.Button(t("Delete preset"), size="sm")
            reset = gr.Button(t("Everything as usual"), size="sm", elem_id="reset-sound")
            file = gr.File(label=t("Export preset"), visible="hidden")
    keys = [key for key in KEYS if key in form.fields]
    targets = [form.fields[key] for key in keys]

    def apply(wanted: str | None) -> list[Any]:
        values = read(file_of(wanted)) if wanted else {}
        return [values.get(key, gr.skip()) for key in keys]

    def usual() -> list[Any]:
        values = Sound().model_dump() | machine.ready()["chosen"]
        return [None, *(values[key] for key in keys)]

    def keep(title: str | None, *values: Any) -> Any:
        file = write(title or "", dict(zip(keys, values, strict=True)))
        gr.Info(t("Saved."), duration=SHORT_S)
        return gr.Dropdown(names(), value=file.stem)

    def take(file: str) -> Any:
        write(Path(file).stem, read(Path(file)))
        gr.Info(t("Saved."), duration=SHORT_S)
        return gr.Dropdown(names(), value=Path(file).stem)

    def drop(wanted: str | None) -> Any:
        forget(wanted or "")
        return gr.Dropdown(names(), value=None)

    def give(title: str | None, *values: Any) -> str:
        kept = dict(zip(keys, values, strict=True))
        return str(write(title or "my preset", kept, paths().cache / "uploads" / "presets"))

    chosen.change(guarded(apply, t), chosen, targets, **QUIET)
    reset.click(usual, None, [chosen, *targets], **QUIET)
    values = {"name": name} | dict(zip(keys, targets, strict=True))
    one = {"preset": chosen}
    wired = (
        (save.click, keep, values, chosen, "save_preset", "Save the sound settings under a name."),
        (load.upload, take, {"file": load}, chosen, "import_preset", "Save a preset from a file."),
        (delete.click, drop, one, chosen, "delete_preset", "Delete a preset of yours."),
    )
    for event, act, inputs, outputs, api_name, text in wired:
        endpoint(event, act, inputs, outputs, t, api_name, text)
    text = "Make a file of the settings."
    made = endpoint(export.click, give, values, file, t, "export_preset", text)
    made.success(None, file, js=SAVE, api_visibility="private")


def folders() -> list[Path]:
    own = paths().assets / "presets"
    shipped = ASSETS / "presets"
    return list(dict.fromkeys([shipped, own]))


def names() -> list[str]:
    """Names of all presets, the built-in ones first."""
    return list(dict.fromkeys(f.stem for d in folders() for f in sorted(d.glob("*.json"))))


def file_of(name: str) -> Path:
    """The file of a preset.

    Raises:
        BadInput: there is none of that name.
    """
    for folder in reversed(folders()):
        if (file := named(folder, f"{name}.json")).is_file():
            return file
    raise BadInput(f"There is no preset {name!r}.", "Choose one of the list.")


def forget(name: str) -> None:
    """Delete a preset of the user's own.

    Raises:
        BadInput: it ships with the program, or there is none of that name.
    """
    file = file_of(name)
    if file.is_relative_to(ASSETS):
        raise BadInput(f"The preset {name!r} ships with the program.", "Only yours are deleted.")
    file.unlink()


def read(file: Path) -> dict[str, Any]:
    """The values of a preset file, Applio's older key included.

    Raises:
        BadInput: not a preset, or a value outside its range.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        raw = json.loads(file.read_text(encoding="utf-8"))
        values = {OLDER.get(k, k): v for k, v in raw.items()}
        checked = Sound(**{k: values[k] for k in KEYS if k in values})
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadInput(
            f"{file.name} is not a preset.", "It holds pitch, index_rate, protect and the like."
        ) from error
    return {k: getattr(checked, k) for k in KEYS if k in values}


def write(title: str, values: dict[str, Any], folder: Path | None = None) -> Path:
    """Save a preset under a name, among the user's own or in `folder`; returns the file.

    Raises:
        BadInput: a name that cannot be used, or a value outside its range.
    """
    checked = controls.read(Sound, values)
    folder = folder or paths().assets / "presets"
    file = named(folder, f"{title.strip()}.json")
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(file, {k: getattr(checked, k) for k in values}, indent=1)
    return file
