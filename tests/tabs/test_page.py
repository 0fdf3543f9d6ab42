"""The page without a browser: named endpoints, presets, controls made from the parameters."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest
from gradio.blocks import Blocks

from rvc import params, tasks
from rvc.errors import BadInput
from rvc.params.base import limits
from rvc.server.fence import Fence
from rvc.tts import speak
from tabs import choices, controls, i18n, layout, presets, tts
from tabs.page import Page


@pytest.fixture(scope="module")
def blocks() -> Blocks:
    return layout.build(Page(i18n.translator("en"), Fence()))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RVC_HOME", str(tmp_path))
    return tmp_path


def test_every_button_is_a_named_endpoint_with_named_parameters(blocks: Blocks) -> None:
    endpoints = blocks.get_api_info()["named_endpoints"]
    for name in ("/convert", "/convert_folder", "/create_voice", "/preprocess", "/train"):
        named = [p["parameter_name"] for p in endpoints[name]["parameters"]]
        assert not [n for n in named if n.startswith("param_")]
    pitch = next(p for p in endpoints["/convert"]["parameters"] if p["parameter_name"] == "pitch")
    assert pitch["parameter_default"] == 0


def test_no_tab_is_empty_and_each_stands_for_a_verb() -> None:
    for tab in layout.tabs():
        assert not tab.verbs or set(tab.verbs) & set(tasks.VERBS)


@pytest.mark.parametrize("verb", sorted(tasks.VERBS))
def test_controls_take_range_default_and_help_from_the_parameters(verb: str) -> None:
    declared = tasks.VERBS[verb].params
    with gr.Blocks():
        form = controls.form(declared, lambda text: text)
    assert set(form.fields) == set(declared.model_fields)
    for name, component in form.fields.items():
        field = declared.model_fields[name]
        if isinstance(component, gr.Slider):
            assert (component.minimum, component.maximum) == limits(field)
        if not field.is_required() and isinstance(component, (gr.Slider, gr.Checkbox)):
            assert component.value == field.default


def test_forms_complain_like_the_command_line() -> None:
    with pytest.raises(BadInput, match="--pitch"):
        controls.read(params.Infer, {"pitch": 99})


def test_a_path_that_is_missing_is_said_in_words() -> None:
    with pytest.raises(BadInput, match="--input-path: a path is needed"):
        controls.read(params.AudioAnalyzer, {"input_path": None})


def test_presets_are_saved_read_and_confined(home: Path) -> None:
    presets.write("Mine", {"pitch": 3, "index_rate": 0.5})
    assert "Mine" in presets.names()
    assert presets.read(presets.file_of("Mine")) == {"pitch": 3, "index_rate": 0.5}
    for name in ("../x", "/etc/x", "a/b", ""):
        with pytest.raises(BadInput):
            presets.write(name, {})


def test_a_preset_holds_every_control_of_the_sound(home: Path) -> None:
    here = presets.Sound(reverb=True, formant_shifting=True, formant_timbre=1.2, bit_depth=24)
    kept = {key: getattr(here, key) for key in presets.KEYS}
    file = presets.write("Mine", kept)
    assert presets.read(file) == kept
    shown = set(presets.Sound.model_fields) - set(presets.OF_THIS_MACHINE)
    assert set(kept) == shown


def test_only_presets_of_ones_own_are_deleted(home: Path) -> None:
    file = presets.write("Mine", {"pitch": 3})
    presets.forget("Mine")
    assert not file.exists()
    with pytest.raises(BadInput, match="ships with"):
        presets.forget("Music")


def test_presets_of_the_older_kind_are_understood(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"pitch": 1, "rms_mix_rate": 0.4, "protect": 0.2}))
    assert presets.read(file) == {"pitch": 1, "volume_envelope": 0.4, "protect": 0.2}


@pytest.mark.parametrize("text", ["[]", "{", '{"pitch": 99}', '{"protect": "x"}'])
def test_what_is_no_preset_is_refused(home: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(BadInput, match="bad.json"):
        presets.read(file)


def test_shipped_presets_are_valid() -> None:
    for name in presets.names():
        assert presets.read(presets.file_of(name))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_file_is_read_as_the_command_line_reads_it(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "note.txt"
    file.write_bytes("Grüße, “schön” – €5.".encode(encoding))
    assert tts._read(str(file)) == speak.read_text(file) == "Grüße, “schön” – €5."


@pytest.mark.parametrize("as_client", [False, True])
def test_a_recording_is_given_as_a_path_or_as_a_file_that_a_client_sent(
    home: Path, as_client: bool
) -> None:
    page = Page(i18n.translator("en"), Fence())
    sent = home / ".cache" / "uploads" / "x" / "a.wav"
    sent.parent.mkdir(parents=True)
    sent.write_bytes(b"sound")
    meta = {"_type": "gradio.FileData"}
    given = {"path": str(sent), "meta": meta} if as_client else str(sent)
    found = choices.chosen_recording(page, given)
    assert found == home / "assets" / "audios" / "a.wav"
    assert found.read_bytes() == b"sound"
    assert choices.chosen_recording(page, str(found)) == found
    assert choices.chosen_recording(page, None) is None


def test_the_pitch_can_be_set_in_parts_of_a_semitone() -> None:
    declared = params.Convert.model_fields["pitch"]
    slider = controls.component("pitch", declared, str, {})
    assert slider.step <= 0.01
    assert controls.read(params.Convert, {"pitch": -0.32}).pitch == -0.32


@pytest.mark.parametrize(("field", "typed"), [("index_rate", "0.4"), ("seed", "7")])
def test_a_number_that_nobody_gave_stays_ungiven(field: str, typed: str) -> None:
    """Gradio's number field would send 0, which is a seed and a strength like any other."""
    with gr.Blocks():
        form = controls.form(params.Infer, str)
    control = form.fields[field]
    assert isinstance(control, gr.Textbox)
    needed = {"input_path": "a.wav", "output_path": "b.wav", "pth_path": "v.pth"}
    assert getattr(controls.read(params.Infer, needed | {field: control.value}), field) is None
    assert getattr(controls.read(params.Infer, needed | {field: typed}), field) == float(typed)
    with pytest.raises(BadInput, match=field.replace("_", ".")):
        controls.read(params.Infer, needed | {field: "much"})
