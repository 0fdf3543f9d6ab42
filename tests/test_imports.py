"""Imports point down the layers, and the front ends start without torch."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from rvc import embedders, f0, nets

ROOT = Path(__file__).parents[1]
LAYERS = [
    "rvc rvc.errors rvc.config rvc.progress",
    "rvc.f0 rvc.embedders rvc.nets",  # registries: names only
    "rvc.params rvc.params.*",
    "rvc.audio rvc.audio.* rvc.hub rvc.hub.* rvc.device rvc.precision rvc.workers",
    "rvc.f0.* rvc.embedders.* rvc.nets.*",
    "rvc.onnx rvc.onnx.* rvc.retrieval rvc.retrieval.* rvc.infer rvc.infer.*",
    "rvc.dataset rvc.dataset.* rvc.evaluate rvc.evaluate.* rvc.train rvc.train.* rvc.voices "
    "rvc.voices.* rvc.tts rvc.tts.* rvc.tools rvc.tools.*",
    "rvc.tasks rvc.jobs rvc.jobs.*",
    "rvc.cli rvc.server rvc.server.*",
    "core tabs tabs.* app",
]
LEVELS = {name: i for i, names in enumerate(LAYERS) for name in names.split()}
HEAVY = ("torch", "numpy", "transformers", "librosa", "scipy", "faiss", "gradio")


def level(module):
    """The layer of a dotted module name, or None outside the project."""
    if module in LEVELS:
        return LEVELS[module]
    parts = module.split(".")
    wider = (".".join(parts[:n]) + ".*" for n in range(len(parts) - 1, 0, -1))
    return next((LEVELS[name] for name in wider if name in LEVELS), None)


def imports(path):
    """Dotted names a file imports, submodules of `from a import b` included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                known = (ROOT / (full.replace(".", "/") + ".py")).exists() or full in LEVELS
                yield full if known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def sources():
    for top in ("rvc", "tabs"):
        yield from (ROOT / top).rglob("*.py")
    yield from (p for p in (ROOT / "core.py", ROOT / "app.py") if p.exists())


def test_layers_point_down():
    wrong = []
    for path in sources():
        me = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        assert me == "rvc" or level(me) is not None, f"{me} belongs to no layer"
        if me == "rvc":
            continue
        wrong += [
            f"{me} imports {other}"
            for other in imports(path)
            if other.split(".")[0] in ("rvc", "tabs", "core", "app")
            and other != "rvc"
            and level(other) > level(me)
        ]
    assert not wrong


@pytest.mark.parametrize(
    "code",
    [
        "import rvc.params",
        "import core; core.main(['--help'])",
        "import core; core.main(['infer', '--help'])",
    ],
)
def test_front_ends_load_nothing_heavy(code):
    check = f"""
import sys
try:
    {code}
except SystemExit:
    pass
found = [m for m in {HEAVY!r} if m in sys.modules]
sys.exit(f"loaded {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_laying_out_a_graph_loads_no_torch():
    code = "import sys, rvc.onnx.packing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_names_in_types_and_registries_agree():
    assert get_args(f0.Method) == tuple(f0.METHODS)
    assert get_args(embedders.EmbedderName) == tuple(embedders.EMBEDDERS)
    assert get_args(nets.VocoderName) == tuple(nets.VOCODERS)
