"""Names, folders and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rvc import config
from rvc.errors import BadInput


@pytest.mark.parametrize("name", ["a", "My Voice 2.1", "声音", "ñandú_x-y", "a" * 64])
def test_good_names_are_folders_inside_the_root(home: Path, name: Any) -> None:
    assert config.experiment(name) == home / "logs" / name


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../x", "a/b", "a\\b", "/etc", "C:x", "x\0y", "a\nb", "a" * 65, ".hidden",
     "x;rm", "$(x)", "`x`", "a\"b", "...", "NUL|x"],
)  # fmt: skip
def test_bad_names_never_become_paths(home: Path, name: Any) -> None:
    with pytest.raises(BadInput, match="name"):
        config.experiment(name)


def test_a_link_out_of_the_folder_is_refused(home: Path, tmp_path: Path) -> None:
    (home / "logs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (home / "logs" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput):
        config.experiment("link")


def test_settings_survive_and_damage_is_named(home: Path) -> None:
    assert config.load_settings() == config.Settings()
    config.save_settings(config.Settings(model_author="A", precision="fp32"))
    assert config.load_settings().model_author == "A"
    config.paths().settings.write_text("{broken", encoding="utf-8")
    with pytest.raises(BadInput, match="config.json"):
        config.load_settings()


def test_settings_of_other_versions_are_read(home: Path) -> None:
    config.paths().assets.mkdir()
    config.paths().settings.write_text('{"plugins": [], "language": "de"}', encoding="utf-8")
    assert config.load_settings().language == "de"
