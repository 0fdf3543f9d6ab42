"""Imports point down the levels, no circle joins rooms or files, and front ends start light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from rvc import embedders, f0, nets

ROOT = Path(__file__).parents[1]
LEVELS = [  # low to high; rooms on one level do not import each other
    "errors",
    "files texts memory plugins turns",
    "failures",
    "config",
    "processes",
    "audio precision device workers",
    "hub",
    "f0 embedders nets",
    "params",
    "onnx retrieval",
    "separation",
    "dataset infer",
    "evaluate",
    "train voices tts songs realtime",
    "tools",
    "tasks",
    "jobs",
    "cli server",
    "tabs",
    "app",
    "core",
]
ROOMS = {room: level for level, rooms in enumerate(LEVELS) for room in rooms.split()}
REGISTRIES = {"rvc.f0", "rvc.embedders", "rvc.nets"}  # facts without torch, for everyone above hub
HEAVY = ("torch", "numpy", "transformers", "librosa", "scipy", "faiss", "gradio")


def modules() -> dict[str, Path]:
    """Every module of the program by its dotted name."""
    files = [*(ROOT / "rvc").rglob("*.py"), *(ROOT / "tabs").rglob("*.py")]
    files += [ROOT / "core.py", ROOT / "app.py"]
    names = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in files}
    return {name.removesuffix(".__init__"): file for name, file in names.items()}


MODULES = modules()


def room(name: str) -> str:
    """The room of a module: the folder under rvc, or the file that stands alone."""
    parts = name.split(".")
    return parts[1] if parts[0] == "rvc" and len(parts) > 1 else parts[0]


def imports(name: str) -> Iterator[str]:
    """Modules of the program that a module imports, inside its functions too; not for types only.

    `from package import name` imports the module of that name, or else the package.
    """
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        found: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [each if each in MODULES else node.module for each in full]
        elif isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        yield from (each for each in found if each in MODULES and each != name)


GRAPH = {name: set(imports(name)) for name in MODULES}


def test_every_room_has_a_level() -> None:
    assert {room(name) for name in MODULES} - {"rvc"} <= set(ROOMS)


def test_rooms_import_only_rooms_below() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if "rvc" not in (name, other)
        and room(name) != room(other)
        and ROOMS[room(other)] >= ROOMS[room(name)]
    ]
    assert not wrong


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of a graph with more than one member (Tarjan 1972)."""
    found: list[list[str]] = []
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in graph[node]:
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            part: list[str] = []
            while not part or part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in graph:
        if node not in number:
            visit(node)
    return found


def test_no_circle_joins_files() -> None:
    assert circles(GRAPH) == []


def test_no_circle_joins_rooms() -> None:
    rooms: dict[str, set[str]] = {}
    for name, others in GRAPH.items():
        rooms.setdefault(room(name), set()).update(room(o) for o in others if o not in REGISTRIES)
    assert circles({name: others - {name, "rvc"} for name, others in rooms.items()}) == []


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("from rvc.params import Params", HEAVY),
        ("import core; core.main(['--help'])", (*HEAVY, "pydantic")),
        ("import core; core.main(['infer', '--help'])", HEAVY),
    ],
)
def test_front_ends_load_nothing_heavy(code: str, heavy: tuple[str, ...]) -> None:
    check = f"""
import sys
try:
    {code}
except SystemExit:
    pass
found = [m for m in {heavy!r} if m in sys.modules]
sys.exit(f"loaded {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_laying_out_a_graph_loads_no_torch() -> None:
    code = "import sys, rvc.onnx.build; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_names_in_types_and_registries_agree() -> None:
    assert get_args(f0.Method) == tuple(f0.METHODS)
    assert get_args(embedders.EmbedderName) == tuple(embedders.EMBEDDERS)
    assert get_args(nets.VocoderName) == tuple(nets.VOCODERS)
