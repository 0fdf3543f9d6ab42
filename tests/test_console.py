"""What programs and people read: one JSON object whatever happens, and every console survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import core
from rvc import params, tasks
from rvc.errors import Mismatch
from tests.conftest import Cli

ROOT = Path(__file__).parents[1]
TRIES: dict[str, tuple[list[str], int]] = {
    "value out of range": (["infer", "--pitch", "99"], 2),
    "unknown option": (["infer", "--nonsense", "3"], 2),
    "missing option": (["infer"], 2),
    "unknown verb": (["nosuch"], 2),
    "unforeseen": (["voices"], 1),
    "refused": (["model-information", "--pth-path", "none.pth"], 3),
}


class Engine:
    """In place of an engine: a verb that does what the test wants."""

    act: Any

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
        Engine.act = staticmethod(act)
        verb = tasks.Verb("rvc.params:Voices", f"{__name__}:run")
        monkeypatch.setitem(tasks.VERBS, "voices", verb)


def run(p: params.Params, report: Any) -> dict[str, Any]:
    found: dict[str, Any] = Engine.act()
    return found


def fail(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(("words", "code"), TRIES.values(), ids=TRIES)
def test_with_json_stdout_holds_one_object(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    Engine(monkeypatch, fail(ZeroDivisionError("oops")))
    done = cli(*words, "--json")
    said = json.loads(done.out)
    assert {"error", "message", "hint", "exit_code"} <= said.keys()
    assert said["exit_code"] == done.code == code
    assert said["message"]


def test_a_surprise_has_a_sentence_and_its_traceback(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Engine(monkeypatch, fail(ZeroDivisionError("oops")))
    done = cli("voices")
    assert done.code == 1
    assert done.out == ""
    assert "Traceback" in done.err
    assert "Error: This failed in a way nobody foresaw: ZeroDivisionError: oops" in done.err


def test_ctrl_c_is_said_as_json_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Engine(monkeypatch, fail(KeyboardInterrupt()))
    done = cli("voices", "--json")
    assert done.code == done.json["exit_code"] == 130
    assert done.json["error"] == "cancelled"


def test_errors_never_mix_with_a_sound_on_stdout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (["--output-path", "-"], ["--output-path=-"]):
        with pytest.raises(SystemExit):
            core.main(["infer", "--json", "--pitch", "99", *words])
        out, err = capsys.readouterr()
        assert out == ""
        assert json.loads(err.splitlines()[0])["error"] == "usage"


def test_a_verb_that_did_a_part_says_which(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    error = Mismatch("Two did not fit.")
    error.result = {"message": "3 of 5 are done."}
    Engine(monkeypatch, fail(error))
    done = cli("voices", "--json")
    assert done.json["result"] == error.result
    assert cli("voices").out == "3 of 5 are done.\n"


SPEAK = """
import sys, core
from rvc import params, tasks
def run(p, report): return {"message": "结果 ü ✓ " * int(sys.argv[1])}
sys.modules["spoken"] = type(sys)("spoken")
sys.modules["spoken"].run = run
tasks.VERBS["voices"] = tasks.Verb("rvc.params:Voices", "spoken:run")
core.main(["voices"])
"""


def start(times: int, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SPEAK, str(times)], cwd=ROOT, env=os.environ | variables,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "cp437", "ascii"])
def test_no_console_ends_a_command(encoding: str) -> None:
    out, err = start(5, PYTHONIOENCODING=encoding).communicate(timeout=120)
    assert err == b""
    written = "utf-8" if encoding == "ascii" else encoding  # click knows better than ASCII
    assert len(out.decode(written).split()) == 15


def test_a_reader_that_goes_away_is_no_fault() -> None:
    child = start(5, PYTHONIOENCODING="utf-8")
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()  # long before anything is written
    assert child.stderr.read() == b""
    assert child.wait(timeout=120) == 141
    child.stderr.close()
