"""The documentation says what the program does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_command_page_is_up_to_date() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == generate["text"](), "run: python docs/generate.py"


def test_every_attack_is_kept_out_by_a_test_there_is() -> None:
    page = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    code = "".join(f.read_text(encoding="utf-8") for f in (ROOT / "tests").rglob("test_*.py"))
    assert named - set(re.findall(r"^def (test_\w+)", code, re.MULTILINE)) == set()
    assert len(named) > 30
