"""A conversion loads what it uses: the program's own modules, counted in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rvc.tools import demo

ROOT = Path(__file__).parents[2]
MOST = 85  # too many still: every room was split further; what must not load is named below
UNUSED = {  # neither asked for nor needed by a voice of the kit without an index
    "rvc.audio.effects",
    "rvc.audio.limiter",
    "rvc.infer.polish",
    "rvc.hub.fetch",
    "rvc.hub.catalog",
    "rvc.onnx.cache",
    "rvc.onnx.voice",
    "rvc.retrieval",
    "rvc.f0.rmvpe",
    "rvc.f0.curve_file",
    "rvc.nets.checkpoint",
    "rvc.nets.discriminators",
    "rvc.train",
    "rvc.dataset",
    "rvc.songs",
    "rvc.server",
    "rvc.voices",
    "rvc.jobs",
}
CODE = """
import json, sys
import core
try:
    core.main(sys.argv[1:])
except SystemExit as ended:
    assert ended.code == 0, ended.code
own = sorted(m for m in sys.modules if m == "rvc" or m.startswith("rvc."))
print(json.dumps(own))
"""


def test_a_conversion_loads_no_more_of_the_program_than_it_uses(home: Path) -> None:
    words = ["infer", "--input-path", str(demo.SAMPLE), "--output-path", str(home / "out.wav")]
    words += ["--pth-path", str(demo.VOICE), "--f0-method", "fcpe", "--gpu", "-"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (home / "out.wav").stat().st_size > 100_000
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & UNUSED == set()
    assert len(loaded) <= MOST, sorted(loaded)
