"""Shows that the program works, with nothing but what lies in the repository."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from rvc import Report, params, silent
from rvc.config import KIT, experiment, paths
from rvc.embedders import SHIPPED
from rvc.errors import MissingModel
from rvc.infer import infer as files
from rvc.params import Demo

VOICE = KIT / "demo" / "demo.pth"
INDEX = KIT / "demo" / "demo.index"
SAMPLE = KIT / "demo" / "sample.flac"
SHOW = "kit-demo"  # the pipeline's own experiment
RATE_HZ = 24000


def run(p: Demo, report: Report = silent) -> dict[str, Any]:
    """Convert the sample with the demo voice; with `pipeline`, go through every stage as well.

    Raises:
        MissingModel: a part of the kit was deleted.
    """
    source = p.input_path or SAMPLE
    target = p.output_path or paths().audios / "demo_output.wav"
    for file in (VOICE, INDEX, SAMPLE):
        if not file.is_file():
            raise MissingModel(f"{file} is missing.", "It belongs to the repository: restore it.")
    done = files.infer(infer(source, target, VOICE, INDEX), report)
    used = (
        f"voice {VOICE.name}, index {INDEX.name}, embedder {SHIPPED}, pitch swift-f0, vocoder lite"
    )
    result = {"convert": done, "used": used, "output_path": done["output_path"]}
    said = f"Converted {source} with {used}: {done['output_path']} ({done['took_s']:.1f} s)."
    if p.pipeline:
        result["pipeline"] = pipeline(report)
        said += f" The pipeline's voice: {result['pipeline']['output_path']}."
    return result | {"message": said}


def infer(source: Path, target: Path, voice: Path, index: Path | None) -> params.Infer:
    """Parameters of a conversion with what the kit has."""
    return params.Infer(
        input_path=source,
        output_path=target,
        pth_path=voice,
        index_path=index,
        f0_method="swift-f0",
        proposed_pitch_auto=True,
    )


def pipeline(report: Report = silent) -> dict[str, Any]:
    """Preprocess, extract, train two epochs, index and convert, on the sample itself."""
    from rvc.dataset import extract, preprocess
    from rvc.train import index, train

    folder = experiment(SHOW)
    shutil.rmtree(folder, ignore_errors=True)
    common: dict[str, Any] = {"model_name": SHOW, "sample_rate": RATE_HZ}
    with tempfile.TemporaryDirectory() as dataset:
        shutil.copy(SAMPLE, dataset)
        preprocess.run(params.Preprocess(dataset_path=Path(dataset), cpu_cores=1, **common), report)
    kit: dict[str, Any] = {"embedder_model": SHIPPED, "f0_method": "swift-f0"}
    extract.run(params.Extract(cpu_cores=1, gpu="-", **kit, **common), report)
    quick: dict[str, Any] = {"vocoder": "lite", "total_epoch": 2, "save_every_epoch": 2}
    train.run(params.Train(gpu="-", batch_size=2, holdout=0.0, **quick, **common), report)
    index.run(params.Index(model_name=SHOW), report)
    voice = max(folder.glob(f"{SHOW}_*e_*s.pth"), key=lambda f: f.stat().st_mtime)
    target = paths().audios / "demo_pipeline_output.wav"
    return files.infer(infer(SAMPLE, target, voice, None), report)
