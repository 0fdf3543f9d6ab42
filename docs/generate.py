"""Write docs/commands.md from the parameter classes: `python docs/generate.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pydantic.fields import FieldInfo  # noqa: E402

from rvc import errors, tasks  # noqa: E402
from rvc.params import base  # noqa: E402

TARGET = ROOT / "docs" / "commands.md"


def text() -> str:
    """The whole page."""
    parts = [
        "# Commands\n\nMade from `rvc/params` by `python docs/generate.py`; do not edit by hand.\n"
        "Every command also takes `--json`. Switches are written `--name` or `--no-name`.\n",
        _exit_codes(),
    ]
    for name, verb in tasks.VERBS.items():
        rows = [_row(key, field) for key, field in verb.params.model_fields.items()]
        table = "\n".join(["| option | values | default | meaning |", "|---|---|---|---|", *rows])
        parts.append(f"## {name}\n\n{(verb.params.__doc__ or '').strip()}\n\n{table}\n")
    return "\n".join(parts)


def _exit_codes() -> str:
    codes = {0: ("done", ""), 2: ("wrong usage", "An option is unknown, missing or out of range.")}
    for kind in errors.KINDS:
        meaning = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        codes[kind.exit_code] = (kind.code.replace("_", " "), meaning)
    rows = [f"| {code} | {name} | {meaning} |" for code, (name, meaning) in sorted(codes.items())]
    return "\n".join(["## Exit codes\n", "| code | name | meaning |", "|---|---|---|", *rows, ""])


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _show(name, field.get_default())
    spelling = name.upper() if base.by_place(field) else f"--{base.flag(name)}"
    return f"| `{spelling}` | {_values(field)} | {default} | {field.description} |"


def _values(field: FieldInfo) -> str:
    kind, _ = base.base_type(field.annotation)
    if kind is bool:
        return "switch"
    if allowed := base.choices(field.annotation):
        return ", ".join(str(value) for value in allowed)
    low, high = base.limits(field)
    if low is not None or high is not None:
        return f"{low} to {high}" if high is not None else f"from {low}"
    return {"Path": "path", "str": "text", "int": "whole number", "float": "number"}[kind.__name__]


def _show(name: str, default: Any) -> str:
    if name == "cpu_cores":
        return "all"
    if isinstance(default, bool):  # 0 and 1 are equal to False and True
        return "on" if default else "off"
    return "" if default is None else str(default)


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
