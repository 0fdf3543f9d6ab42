"""A verb loads what it uses: the program's own modules, counted in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import soundfile

from rvc.dataset import manifest
from rvc.tools import demo
from tests.train import make, tiny

ROOT = Path(__file__).parents[2]
MOST_CONVERTING, MOST_TRAINING = 45, 60
NOT_CONVERTING = {  # neither asked for nor needed by a voice of the kit without an index
    "rvc.audio.container",
    "rvc.audio.decode",
    "rvc.audio.effects",
    "rvc.audio.header",
    "rvc.audio.limiter",
    "rvc.audio.lossy",
    "rvc.audio.mix",
    "rvc.audio.uniform",
    "rvc.failures",
    "rvc.infer.polish",
    "rvc.infer.preview",
    "rvc.hub.fetch",
    "rvc.hub.catalog",
    "rvc.onnx",
    "rvc.retrieval",
    "rvc.f0.rmvpe",
    "rvc.f0.curve_file",
    "rvc.nets.checkpoint",
    "rvc.nets.encoders",
    "rvc.nets.hifigan",
    "rvc.precision",
    "rvc.processes",
    "rvc.turns",
    "rvc.nets.discriminators",
    "rvc.params.songs",
    "rvc.params.train",
    "rvc.params.voices",
    "rvc.train",
    "rvc.dataset",
    "rvc.songs",
    "rvc.server",
    "rvc.voices",
    "rvc.jobs",
}
NOT_TRAINING = {  # without held-out clips, on one device, with a batch size that was given
    "rvc.audio.io",
    "rvc.audio.stream",
    "rvc.dataset.report",
    "rvc.embedders.manager",
    "rvc.evaluate",
    "rvc.failures",
    "rvc.infer",
    "rvc.onnx",
    "rvc.params.convert",
    "rvc.params.songs",
    "rvc.params.voices",
    "rvc.retrieval.reader",
    "rvc.train.batch_size",
    "rvc.train.launch",
    "rvc.precision",
    "rvc.train.reference",
    "rvc.train.validation",
    "rvc.jobs",
    "rvc.server",
    "rvc.voices",
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


def loaded(*words: str) -> set[str]:
    """The program's modules that a command line loads."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_conversion_loads_no_more_of_the_program_than_it_uses(home: Path) -> None:
    wave, rate = soundfile.read(demo.SAMPLE, frames=3 * 16000)
    soundfile.write(home / "in.wav", wave, rate)
    words = ["infer", "--input-path", str(home / "in.wav"), "--output-path", str(home / "out.wav")]
    words += ["--pth-path", str(demo.VOICE), "--f0-method", "fcpe", "--gpu", "-"]
    found = loaded(*words)
    assert soundfile.info(home / "out.wav").duration > 1
    assert found & NOT_CONVERTING == set()
    assert len(found) <= MOST_CONVERTING, sorted(found)


def test_a_training_loads_no_more_of_the_program_than_it_uses(home: Path) -> None:
    folder, names = home / "logs" / "v", [f"0_{i}_0" for i in range(4)]
    lines = [make.clip(folder, name, 3.0, 120 + 9 * i, seed=i) for i, name in enumerate(names)]
    (folder / "filelist.txt").write_text("\n".join(lines))
    (folder / "config.json").write_text(json.dumps(tiny.small_settings().as_json()))
    (folder / "model_info.json").write_text(json.dumps({"total_seconds": 12.0}))
    made = {"embedder": "contentvec", "embedder_digest": "abc", "sample_rate": make.RATE}
    made |= {"layer": 12, "normalize": False, "width": 8}
    manifest.record(folder, manifest.Stage("extract", made, len(names), names))
    words = ["train", "--model-name", "v", "--sample-rate", str(make.RATE), "--no-pretrained"]
    words += ["--total-epoch", "1", "--save-every-epoch", "1", "--batch-size", "4"]
    words += ["--gpu", "-", "--holdout", "0"]
    found = loaded(*words)
    assert (folder / "v.index").is_file()
    assert found & NOT_TRAINING == set()
    assert len(found) <= MOST_TRAINING, sorted(found)
