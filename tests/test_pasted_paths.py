"""A path means what its writer meant, in every field of every verb."""

from __future__ import annotations

from pathlib import Path

import pytest

from rvc import config, params


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = tmp_path / "a b é.wav"
    path.touch()
    return path


@pytest.mark.parametrize(
    "form",
    [
        '"{0}"', "'{0}'", "“{0}”", "<{0}>", "{0} ", "\t{0}\r\n", "\u202a{0}", "\ufeff'{0}' ",
        ' "{0}" ',
    ],
)  # fmt: skip
def test_what_stands_around_a_path_is_taken_off(recording: Path, form: str) -> None:
    assert config.pasted(form.format(recording)) == str(recording)


def test_addresses_of_files_and_the_home_folder(recording: Path) -> None:
    address = recording.as_uri()
    for given in (address, f" {address}\n", f'"{address}"', "~/a b é.wav"):
        assert Path(config.pasted(given)) == recording
    local = address.replace("file:///", "file://localhost/")
    assert Path(config.pasted(local)) == recording
    assert config.pasted("file://server/share/a.wav") == "file://server/share/a.wav"
    assert Path(config.pasted("~")) == recording.parent


def test_a_path_dragged_into_a_terminal(recording: Path) -> None:
    assert config.pasted(str(recording).replace(" ", "\\ ")) == str(recording)


def test_what_exists_is_taken_by_the_letter(tmp_path: Path) -> None:
    for name in ("'quoted'", "100%20", "#1?", "~"):
        (tmp_path / name).touch()
        assert config.pasted(str(tmp_path / name)) == str(tmp_path / name)


@pytest.mark.parametrize("text", ["", " ", "-", "None", "~snapshot", "https://a.b/c%20d", "a\0b"])
def test_other_words_stay_as_they_are(text: str) -> None:
    assert config.pasted(text) == text


def test_every_path_of_a_verb_is_understood(recording: Path) -> None:
    given = f'"{recording}"'
    values = {"input_path": given, "output_path": "~/out.wav", "f0_file": given}
    made = params.Infer.model_validate({**values, "pth_path": f"{recording} "})
    assert made.input_path == made.pth_path == made.f0_file == recording
    assert made.output_path == recording.parent / "out.wav"
