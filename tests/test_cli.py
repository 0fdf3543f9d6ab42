"""The command line: Applio's spellings, ranges, switches, errors and exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rvc import errors, params, tasks
from rvc.params.base import flag, limits
from tests.conftest import Cli

REQUIRED: dict[str, dict[str, Any]] = {
    "infer": {"input_path": "a.wav", "output_path": "b.wav", "pth_path": "v.pth"},
    "batch-infer": {"input_folder": "a", "output_folder": "b", "pth_path": "v.pth"},
    "preprocess": {"model_name": "m", "dataset_path": "d", "sample_rate": 40000},
    "extract": {"model_name": "m", "sample_rate": 40000},
    "train": {"model_name": "m", "sample_rate": 40000, "save_every_epoch": 5},
    "index": {"model_name": "m"},
}
# Flags of Applio 3.6.4 that must keep working, by command.
APPLIO = json.loads((Path(__file__).parent / "data" / "applio_flags.json").read_text())


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commands hand over their parameters here instead of working."""
    seen = []

    def run(name: Any, p: Any, report: Any) -> Any:
        seen.append(p)
        return {"message": "fine", "verb": name}

    monkeypatch.setattr(tasks, "run", run)
    return seen


def words(command: Any, **values: Any) -> Any:
    given = {**REQUIRED[command], **values}
    return [command] + [w for k, v in given.items() for w in (f"--{flag(k)}", str(v))]


@pytest.mark.parametrize("command", APPLIO)
def test_every_applio_flag_is_there(cli: Cli, command: Any) -> None:
    text = cli(command, "--help").out
    assert [
        f for f in APPLIO[command].split() if not re.search(rf"(?<![\w-]){f}(?![\w-])", text)
    ] == []


@pytest.mark.parametrize("command", REQUIRED)
def test_defaults_are_valid_and_required_options_are_required(
    cli: Cli, caught: Any, command: Any
) -> None:
    assert cli(*words(command)).code == 0
    assert caught[0] == tasks.VERBS[command].params(**REQUIRED[command])
    for missing in REQUIRED[command]:
        fewer = {k: v for k, v in REQUIRED[command].items() if k != missing}
        said = cli(command, *[w for k, v in fewer.items() for w in (f"--{flag(k)}", str(v))])
        assert said.code == 2
        assert flag(missing) in said.err


def bounded() -> Iterator[Any]:
    for command in REQUIRED:
        for name, field in tasks.VERBS[command].params.model_fields.items():
            low, high = limits(field)
            yield from ((command, name, v) for v in (low, high) if v is not None)


@pytest.mark.parametrize(("command", "name", "bound"), bounded())
def test_bounds_hold_on_the_command_line_and_in_the_class(
    cli: Cli, caught: Any, command: Any, name: Any, bound: Any
) -> None:
    low, _ = limits(tasks.VERBS[command].params.model_fields[name])
    outside = bound - 1 if bound == low else bound + 1
    assert cli(*words(command, **{name: bound})).code == 0
    assert getattr(caught[-1], name) == bound
    said = cli(*words(command, **{name: outside}))
    assert said.code == 2
    assert flag(name) in said.err
    with pytest.raises(ValidationError):
        tasks.VERBS[command].params(**{**REQUIRED[command], name: outside})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (["--save-every-weights"], True),
        ([], True),
        (["--no-save-every-weights"], False),
        (["--save_every_weights", "True"], True),
        (["--save_every_weights", "False"], False),
        (["--save-every-weights=False"], False),
    ],
)
def test_switches_mean_what_they_say(cli: Cli, caught: Any, text: Any, value: bool) -> None:
    assert cli(*words("train"), *text).code == 0
    assert caught[0].save_every_weights is value


@pytest.mark.parametrize("gpu", ["-", "auto", "0", "0-1"])
def test_gpu_spellings(cli: Cli, caught: Any, gpu: str) -> None:
    assert cli(*words("train", gpu=gpu)).code == 0
    assert caught[0].gpu == gpu
    assert cli(*words("train", gpu="cuda")).code == 2


def test_applio_321_spellings(cli: Cli, caught: Any) -> None:
    line = """batch_infer --input_folder in --output_folder out --pth_path v.pth --index_path=
    --f0_up_key -3 --rms_mix_rate 0.5 --f0_method RMVPE --split_audio True --clean_audio False
    --export_format mp3"""
    assert cli(*line.split()).code == 0
    p = caught[0]
    assert (p.pitch, p.volume_envelope, p.f0_method, p.index_path) == (-3, 0.5, "rmvpe", ())
    assert (p.split_audio, p.clean_audio, p.export_format) == (True, False, "MP3")
    line = "extract --model_name m --sampling_rate 40000 --rvc_version v2 --pitch_guidance True"
    assert cli(*line.split()).code == 0
    assert caught[1].sample_rate == 40000


def test_a_text_value_is_not_mistaken_for_a_switch(cli: Cli, caught: Any) -> None:
    assert cli(*words("index", model_name="True")).code == 0
    assert caught[0].model_name == "True"
    assert cli("infer", "--input-path", "a_b.wav", "--output-path=c_d.wav", "--pth-path", "v_1.pth",
               "--index-path", "", "--pitch", "-12").code == 0  # fmt: skip
    p = caught[1]
    assert [str(x) for x in (p.input_path, p.output_path, p.pth_path)] == [
        "a_b.wav",
        "c_d.wav",
        "v_1.pth",
    ]
    assert (p.index_path, p.pitch) == (None, -12)


def test_dropped_and_unknown_options_are_refused(cli: Cli, caught: Any) -> None:
    assert cli(*words("extract"), "--rvc_version", "v1").code == 2
    assert cli(*words("infer"), "--filter_radius", "3").code == 2
    assert "hop-length" in cli(*words("extract"), "--hop_length", "128").err
    assert not caught


def test_a_list_of_nothing_prints_help(cli: Cli) -> None:
    assert cli().code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\s*", cli("--version").out)


def test_the_list_says_of_each_verb_what_its_help_begins_with(cli: Cli) -> None:
    said = " ".join(cli("--help").out.split())
    for name, verb in tasks.VERBS.items():
        assert f" {name} {(verb.params.__doc__ or '').splitlines()[0]}" in said
    assert " app Serve the web page and the HTTP API." in said


@pytest.mark.parametrize("kind", errors.KINDS)
def test_errors_become_sentence_hint_and_exit_code(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    def fail(name: Any, p: Any, report: Any) -> None:
        raise kind("The file x.wav is broken.", "Take another.")

    monkeypatch.setattr(tasks, "run", fail)
    said = cli(*words("index"))
    assert said.code == kind.exit_code != 0
    assert said.err.splitlines()[-2:] == ["Error: The file x.wav is broken.", "Hint: Take another."]
    assert said.out == ""
    assert cli(*words("index"), "--json").json == {
        "error": kind.code, "message": "The file x.wav is broken.", "hint": "Take another.",
        "exit_code": kind.exit_code,
    }  # fmt: skip
    help_text = " ".join(cli("--help").out.split())
    assert f"{kind.exit_code} {kind.code.replace('_', ' ')}" in help_text


def test_exit_codes_are_distinct() -> None:
    assert len({k.exit_code for k in errors.KINDS} | {0, 2}) == len(errors.KINDS) + 2


def test_json_prints_the_result(cli: Cli, caught: Any) -> None:
    assert cli(*words("index"), "--json").json == {"message": "fine", "verb": "index"}
    assert cli(*words("index")).out == "fine\n"


def test_ctrl_c_ends_with_130(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(name: Any, p: Any, report: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "run", interrupt)
    assert cli(*words("index")).code == 130


class Failing:
    """An engine that meets an error of the operating system."""

    error: OSError

    @staticmethod
    def run(p: Any, report: Any) -> None:
        raise Failing.error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device", "/x/y"), errors.StorageFailed),
        (PermissionError(13, "Permission denied", "/x/y"), errors.StorageFailed),
        (FileNotFoundError(2, "No such file", "/x/y"), errors.BadInput),
    ],
)
def test_system_errors_name_the_file(
    monkeypatch: pytest.MonkeyPatch, error: Any, code: Any
) -> None:
    Failing.error = error
    failing = tasks.Verb("rvc.params:Index", f"{__name__}:Failing.run")
    monkeypatch.setitem(tasks.VERBS, "index", failing)
    with pytest.raises(code, match="/x/y"):
        tasks.run("index", params.Index(model_name="m"))


def test_parameters_are_frozen_and_closed() -> None:
    p = params.Index(model_name="m")
    with pytest.raises(ValidationError):
        p.model_name = "n"
    with pytest.raises(ValidationError):
        params.Index(model_name="m", nonsense=1)  # type: ignore[call-arg]


def test_a_missing_option_is_said_to_be_missing(cli: Cli) -> None:
    done = cli("delete-voice", "--model-name", "x")
    assert done.code == 2
    assert "Missing option '--confirm'" in done.err
