"""docs/architecture.md is about this house: its rooms, its traces, its names in strings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rvc
from rvc import embedders, f0, nets, plugins, tasks, tts
from tests.test_imports import GRAPH

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
LONGEST_TRACE = 12


def section(title: str) -> str:
    """The text below a heading, up to the next."""
    found = re.search(rf"^## {re.escape(title)}.*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.S)
    assert found, title
    return found[1]


def test_the_rooms_are_the_folders() -> None:
    said = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section("Rooms"), re.MULTILINE)
    folders = {
        f.relative_to(ROOT).as_posix()
        for f in (ROOT / "rvc").iterdir()
        if (f.is_dir() and f.name != "__pycache__") or (f.suffix == ".py" and f.stem != "__init__")
    }
    assert {name for name, _ in said} == folders | {"core.py", "app.py", "tabs"}
    assert len(said) == len({name for name, _ in said})
    assert all(line.strip() for _, line in said)


@pytest.mark.parametrize("title", ["A conversion", "A training"])
def test_the_traces_lead_through_files_that_know_the_next(title: str) -> None:
    files = re.findall(r"^- `([^`]+)`:", section(title), re.MULTILINE)
    assert 5 <= len(files) <= LONGEST_TRACE
    modules = [f.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for f in files]
    assert all((ROOT / f).is_file() for f in files)
    engine = {v.engine.split(":")[0] for v in tasks.VERBS.values()}
    for number, module in enumerate(modules[1:], 1):
        known = set().union(*(GRAPH[m] for m in reachable(modules[:number])))
        assert module in known | engine, f"nothing before {module} leads to it"


def reachable(modules: list[str]) -> set[str]:
    """Modules and all that they import, near and far."""
    found: set[str] = set()
    ahead = list(modules)
    while ahead:
        if (module := ahead.pop()) not in found:
            found.add(module)
            ahead += GRAPH[module]
    return found


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`((?:rvc|tabs|tests|docs)/[\w./-]*)`", PAGE))
    assert named
    assert [n for n in named if not (ROOT / n).exists() and "CODE" not in n] == []


def test_every_name_in_a_string_leads_to_something() -> None:
    values = [each for verb in tasks.VERBS.values() for each in (verb.engine, verb.declared)]
    values += [*f0.METHODS.own.values(), *embedders.FAMILIES.values(), *tts.ENGINES.own.values()]
    values += rvc.LOADED_WHEN_USED.values()
    for vocoder in nets.VOCODERS.own.values():
        values += [vocoder.decoder, vocoder.encoder]
    for value in values:
        assert callable(plugins.attribute(value)), value
    assert len(values) > 40


LONGEST, LONGEST_NETS = 250, 350  # lines of a file, so that it is one idea


def _of_networks(name: str) -> bool:
    """Whether a file is one of networks, whose layers make it long."""
    shared = ("rvc/f0/", "rvc/embedders/")
    defines = name.startswith(shared) and "(nn.Module):" in (ROOT / name).read_text("utf-8")
    return name.startswith("rvc/nets/") or defines


def test_files_keep_to_their_budget() -> None:
    files = [ROOT / "core.py", ROOT / "app.py"]
    files += [f for folder in ("rvc", "tabs") for f in (ROOT / folder).rglob("*.py")]
    lines = {
        f.relative_to(ROOT).as_posix(): f.read_text(encoding="utf-8").count("\n") for f in files
    }
    usual = {name: LONGEST_NETS if _of_networks(name) else LONGEST for name in lines}
    assert {name: n for name, n in lines.items() if n > usual[name]} == {}
