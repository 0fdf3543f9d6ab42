"""The documentation says what the program does."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_command_page_is_up_to_date():
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == generate["text"](), "run: python docs/generate.py"
