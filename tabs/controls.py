"""Gradio components from a Params class: no tab repeats a range, a default or a help text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gradio as gr
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rvc.errors import BadInput
from rvc.params import Params
from rvc.params.base import base_type, choices, complaint, group_of, limits
from tabs.events import QUIET
from tabs.i18n import Translate

LABELS = {  # where the name of a parameter, read aloud, would not tell a newcomer enough
    "f0_method": "Pitch extractor",
    "index_rate": "Index strength",
    "volume_envelope": "Loudness",
    "protect": "Consonant protection",
    "f0_autotune": "Autotune",
    "f0_autotune_strength": "Autotune strength",
    "gate_db": "Silence level",
    "sid": "Speaker",
    "gpu": "Device",
    "total_epoch": "Epochs",
    "save_every_epoch": "Save every … epochs",
    "formant_shifting": "Change the formants",
    "formant_qfrency": "Formant detail",
    "formant_timbre": "Formant shift",
    "split_audio": "Convert in pieces",
    "clean_audio": "Reduce noise",
    "clean_strength": "How much",
    "proposed_pitch": "Match the voice's pitch",
    "include_mutes": "Silent clips",
    "cpu_cores": "Processor cores",
    "cache_data_in_gpu": "Keep the data in GPU memory",
    "normalization_mode": "Level the recordings",
    "holdout": "Kept aside to judge by",
    "checkpointing": "Save memory",
    "index_algorithm": "Index method",
    "save_only_latest": "Keep only the newest state",
    "save_every_weights": "A voice file at every save",
    "save_every_minutes": "Save the state every … minutes",
    "pretrained": "Start from base models",
    "custom_pretrained": "Base models of your own",
    "clip_gradients": "Limit of gradients",
    "balance": "Repeat rare speakers",
    "post_process": "Effects on",
    "cut_preprocess": "Cutting",
    "separate": "Take music out",
    "lead": "Lead and backing apart",
    "backing": "Backing voices",
    "chunk_len": "Piece length",
    "overlap_len": "Overlap",
    "cleanup": "Start from scratch",
    "embedder_model": "Content embedder",
    "embedder_model_custom": "Custom embedder folder",
    "process_effects": "Rumble filter",
    "g_pretrained_path": "Generator base model",
    "d_pretrained_path": "Discriminator base model",
    "tts_voice": "Speaking voice",
    "tts_engine": "Speech engine",
    "tts_rate": "Speed",
    "pth_path_1": "First voice",
    "pth_path_2": "Second voice",
    "pth_path": "Voice file",
    "index_path": "Index file",
    "input_path": "Recording",
    "plot_path": "Picture",
    "preset": "Delay",
    "csv_path": "Table",
}
NEEDS = {  # shown only while another control has a certain value (besides name_* under name)
    "clean_strength": ("clean_audio", True),
    "formant_qfrency": ("formant_shifting", True),
    "formant_timbre": ("formant_shifting", True),
    "backing": ("lead", True),
    "chunk_len": ("cut_preprocess", "Simple"),
    "overlap_len": ("cut_preprocess", "Simple"),
    "embedder_model_custom": ("embedder_model", "custom"),
    "g_pretrained_path": ("custom_pretrained", True),
    "d_pretrained_path": ("custom_pretrained", True),
}
SHORT = ("Effects",)  # groups of so many controls that the help text serves as label
Model = TypeVar("Model", bound=BaseModel)
WIDE = 1000  # numbers over a wider range are typed, not dragged
FINE = {"pitch": 0.01}  # steps of sliders whose small parts are heard
STEPS = ((2.0, 0.01), (20.0, 0.1), (200.0, 0.5))


@dataclass
class Form:
    """The components of one Params class, by field name."""

    params: type[Params]
    fields: dict[str, Any] = field(default_factory=dict)

    def read(self, values: Sequence[Any], **fixed: Any) -> Params:
        """The validated parameters from the values Gradio hands to an event."""
        return read(self.params, dict(zip(self.fields, values, strict=True)) | fixed)


def read(params: type[Model], values: Mapping[str, Any]) -> Model:
    """Validate; fields the class does not have are left out, and an empty text is no value.

    Raises:
        BadInput: names every option that is wrong, in the words of the command line.
    """
    fields = params.model_fields
    given = {k: v for k, v in values.items() if k in fields}
    given |= {k: None for k, v in given.items() if v == "" and fields[k].default is None}
    try:
        return params(**given)
    except ValidationError as error:
        raise BadInput(complaint(error.errors()), "Correct the named settings.") from error


def label(name: str) -> str:
    """The English label of a parameter."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def owner(params: type[Params], name: str) -> tuple[str, Any] | None:
    """(control, value) that must be set for `name` to matter, or None."""
    fields = params.model_fields
    if name in NEEDS and NEEDS[name][0] in fields:
        return NEEDS[name]
    over = [f for f in fields if name.startswith(f + "_") and fields[f].annotation is bool]
    return (max(over, key=len), True) if over else None


def form(
    params: type[Params],
    t: Translate,
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    start: Mapping[str, Any] | None = None,
    folds: Mapping[str, Iterable[str]] | None = None,
    replace: Mapping[str, Callable[[], Any]] | None = None,
) -> Form:
    """Build the controls here: plain ones first, in a grid, then one closed fold per group.

    Args:
        params: the class that declares them.
        t: translation of labels and help texts.
        only: names to show; None shows all.
        skip: names to leave out.
        start: values to begin with where a field is required or the page knows better.
        folds: titles and members of folds that replace the declared groups of those fields.
        replace: makers of special components, such as a list of the voices for a path.
    """
    moved = {name: title for title, members in (folds or {}).items() for name in members}
    names = [n for n in params.model_fields if (only is None or n in only) and n not in set(skip)]
    built = Form(params)
    groups: dict[str, list[str]] = {}
    for name in names:
        group = group_of(params.model_fields[name])
        groups.setdefault(moved.get(name, group) if group else group, []).append(name)
    groups = {g: groups[g] for g in sorted(groups, key=lambda g: g != "")}
    for group, members in groups.items():
        fold = gr.Accordion(t(group), open=False, elem_classes="fold") if group else nullcontext()
        with fold:
            _fill(built, members, t, start or {}, replace or {})
    return built


def _fill(
    built: Form,
    names: list[str],
    t: Translate,
    start: Mapping[str, Any],
    replace: Mapping[str, Callable[[], Any]],
) -> None:
    """The controls of one group; those that depend on another follow it, hidden until it is set."""
    owners = {name: owner(built.params, name) for name in names}
    inside = {n: o for n, o in owners.items() if o and o[0] in names}
    if "post_process" in names:
        inside |= {n: ("post_process", True) for n in names if n not in (*inside, "post_process")}

    def place(name: str) -> None:
        declared = built.params.model_fields[name]
        special = replace.get(name)
        made = special() if special else component(name, declared, t, start)
        made.elem_classes = [*made.elem_classes, f"is-{name}"]  # for its tooltip and complaints
        built.fields[name] = made
        if not (below := [n for n in names if inside.get(n, ("",))[0] == name]):
            return
        value = inside[below[0]][1]
        shown = _start(name, declared, start) == value
        with gr.Column(visible=shown, elem_classes="below", min_width=0) as column:
            _grid(below, place)
        built.fields[name].change(
            lambda now, value=value: gr.Column(visible=now == value),
            built.fields[name],
            column,
            **QUIET,
        )

    _grid([n for n in names if n not in inside], place)


def _grid(names: list[str], place: Any) -> None:
    """Controls in as many even columns as there is room for (the style sheet decides)."""
    with gr.Column(elem_classes="grid"):
        for name in names:
            place(name)


def text_of(name: str, declared: FieldInfo, t: Translate) -> dict[str, Any]:
    """Label and help text; where one only repeats the other, it is shown once."""
    said, help_text = label(name), declared.description or ""
    if group_of(declared) in SHORT:
        return {"label": t(help_text.removesuffix("."))}
    repeats = re.sub(r"\W+", " ", help_text).strip().lower() == said.lower()
    return {"label": t(said)} | ({} if repeats or not help_text else {"info": t(help_text)})


def _start(name: str, declared: FieldInfo, start: Mapping[str, Any]) -> Any:
    if name in start:
        return start[name]
    return None if declared.is_required() else declared.get_default()


def component(name: str, declared: FieldInfo, t: Translate, start: Mapping[str, Any]) -> Any:
    """The control that suits a field's type and limits."""
    kind, many = base_type(declared.annotation)
    value = _start(name, declared, start)
    text = text_of(name, declared, t)
    if kind is bool:
        return gr.Checkbox(bool(value), **text)
    if allowed := choices(declared.annotation):
        pairs = [(str(v), v) for v in allowed]
        if len(allowed) <= 4 and not many:
            return gr.Radio(pairs, value=value, **text)
        return gr.Dropdown(pairs, value=value, multiselect=many or None, **text)
    low, high = limits(declared)
    optional = value is None and not declared.is_required()  # a slider always has a value
    if None not in (low, high) and not optional and high - low <= WIDE:
        usual = 1 if kind is int else next((s for span, s in STEPS if high - low <= span), 1)
        return gr.Slider(low, high, value, step=FINE.get(name, usual), buttons=[], **text)
    if kind in (int, float) and not optional:  # Gradio's number field makes 0 of nothing
        whole = 0 if kind is int else None
        return gr.Number(value, precision=whole, minimum=low, maximum=high, **text)
    return gr.Textbox("" if value is None else str(value), max_lines=1, **text)
