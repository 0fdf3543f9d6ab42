"""The Training tab's own handlers: where dropped recordings go, what it tells of folders."""

from pathlib import Path

import pytest

from rvc.errors import BadInput
from rvc.server.fence import Fence, dropped
from tabs import training
from tabs.page import Page


def page(**rules: bool) -> Page:
    return Page(lambda text: text, Fence(**rules))


def uploaded(folder: Path, name: str, content: bytes = b"sound") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return str(folder / name)


@pytest.mark.parametrize("name", [None, "", "  "])
def test_recordings_without_a_name_join_nobody_elses(
    home: Path, tmp_path: Path, name: str | None
) -> None:
    first = training.keep_recordings(page(), [uploaded(tmp_path / "a", "a.wav")], name)
    second = training.keep_recordings(page(), [uploaded(tmp_path / "b", "b.wav")], name)
    assert first != second
    assert [f.name for f in first.iterdir()] == ["a.wav"]
    assert [f.name for f in second.iterdir()] == ["b.wav"]


def test_what_is_dropped_for_a_voice_joins_its_own_and_nothing_twice(
    home: Path, tmp_path: Path
) -> None:
    files = [uploaded(tmp_path / "a", "a.wav")]
    into = training.keep_recordings(page(), files, "anna")
    files.append(uploaded(tmp_path / "b", "b.wav"))  # the field still holds the first
    files.append(uploaded(tmp_path / "c", "a.wav", b"another"))
    assert training.keep_recordings(page(), files, "anna ") == into
    assert into == home / "assets" / "datasets" / "anna"
    assert sorted(f.name for f in into.iterdir()) == ["a 2.wav", "a.wav", "b.wav"]
    with pytest.raises(BadInput):
        training.keep_recordings(page(), files, "../anna")


def test_on_a_network_the_tab_tells_nothing_of_other_folders(home: Path, tmp_path: Path) -> None:
    uploaded(tmp_path / "elsewhere", "secret.wav")
    own = Path(uploaded(home / "assets" / "datasets" / "anna", "a.wav", bytes(2_000_000))).parent
    confined = page(confined=True)
    for closed in (tmp_path / "elsewhere", "/", "~", "../..", "x" * 5000, "a\0b"):
        assert training._listing(confined, str(closed)) == ""
    assert "1 recordings · 2.0 MB" in training._listing(confined, str(own))
    assert training._listing(confined, str(dropped() / "none")) == ""
    assert "1 recordings" in training._listing(page(), str(tmp_path / "elsewhere"))


def test_a_folder_of_any_kind_is_counted_without_complaint(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Tom's [takes] (1)"
    uploaded(folder / "inner", "A.M4B")
    (folder / "gone.wav").symlink_to(tmp_path / "nowhere")
    (folder / "note.txt").write_text("x")
    assert "1 recordings" in training._listing(page(), str(folder))
    for odd in (str(folder / "note.txt"), "x" * 5000, "a\0b", ""):
        assert training._listing(page(), odd) == ""


def test_nobody_walks_a_whole_disk(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MOST_ENTRIES", 10)
    for number in range(8):
        for name in ("a.wav", "b.wav"):
            uploaded(tmp_path / "big" / str(number), name)
    assert training._listing(page(), str(tmp_path / "big")).startswith('<p class="facts">> ')
