"""Named sets of the sound settings: built in, saved, imported, exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from rvc import files
from rvc.config import ASSETS, named, paths
from rvc.errors import BadInput
from rvc.params import Convert
from tabs import controls
from tabs.controls import Form
from tabs.events import QUIET, endpoint, guarded
from tabs.page import Page

KEYS = ("pitch", "index_rate", "volume_envelope", "protect")
OLDER = {"rms_mix_rate": "volume_envelope"}
MAX_BYTES = 100_000
SAVE = """(made) => {
  const name = made.orig_name ?? "preset.json";
  Object.assign(document.createElement("a"), { href: made.url, download: name }).click();
}"""


def build(page: Page, form: Form) -> None:
    """A fold with the list of presets and what can be done with them."""
    t = page.t
    with gr.Accordion(t("Presets"), open=False, elem_classes="fold"):
        with gr.Row(elem_classes="grid", equal_height=False):
            chosen = gr.Dropdown(
                names(), value=None, label=t("Preset"), info=t("Sets the controls above.")
            )
            name = gr.Textbox(
                label=t("Name"), info=t("To save the controls above under."), max_lines=1
            )
        with gr.Row(elem_classes="buttons"):
            save = gr.Button(t("Save preset"), size="sm")
            load = gr.UploadButton(t("Import preset"), file_types=[".json"], size="sm")
            export = gr.Button(t("Export preset"), size="sm")
            file = gr.File(label=t("Export preset"), visible="hidden")
    targets = [form.fields[key] for key in KEYS]

    def apply(wanted: str | None) -> list[Any]:
        values = read(file_of(wanted)) if wanted else {}
        return [values.get(key, gr.skip()) for key in KEYS]

    def keep(title: str | None, *values: Any) -> Any:
        file = write(title or "", dict(zip(KEYS, values, strict=True)))
        return gr.Dropdown(names(), value=file.stem)

    def take(file: str) -> Any:
        write(Path(file).stem, read(Path(file)))
        return gr.Dropdown(names(), value=Path(file).stem)

    def give(title: str | None, *values: Any) -> str:
        kept = dict(zip(KEYS, values, strict=True))
        return str(write(title or "my preset", kept, paths().cache / "uploads" / "presets"))

    chosen.change(guarded(apply, t), chosen, targets, **QUIET)
    values = {"name": name} | dict(zip(KEYS, targets, strict=True))
    wired = (
        (save.click, keep, values, chosen, "save_preset", "Save the sound settings under a name."),
        (load.upload, take, {"file": load}, chosen, "import_preset", "Save a preset from a file."),
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
        checked = Convert(**{k: values[k] for k in KEYS if k in values})
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadInput(
            f"{file.name} is not a preset.", f"A preset holds {', '.join(KEYS)}."
        ) from error
    return {k: getattr(checked, k) for k in KEYS if k in values}


def write(title: str, values: dict[str, Any], folder: Path | None = None) -> Path:
    """Save a preset under a name, among the user's own or in `folder`; returns the file.

    Raises:
        BadInput: a name that cannot be used, or a value outside its range.
    """
    controls.read(Convert, values)
    folder = folder or paths().assets / "presets"
    file = named(folder, f"{title.strip()}.json")
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(file, values, indent=1)
    return file
