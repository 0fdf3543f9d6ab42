"""Engines of the right shape that do no work: for tests of the page, which must be quick.

Run as `python -m tests.tts.fake_engines VERB job.json` they do a job;
`python -m tests.tts.fake_engines app …` serves the page with them.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvc import Report, device, tasks
from rvc.config import experiment, paths
from rvc.dataset import manifest
from rvc.errors import BadInput

if TYPE_CHECKING:  # each verb loads its own parameters only
    from rvc import params

STEP_S = 0.05
BEST = 2  # the epoch that sounds best
FINDING = {"rule": "few", "level": "warning", "sentence": "Two recordings are few.",
           "hint": "Ten minutes are better.", "values": {}}  # fmt: skip
HOLD = "hold"  # while the program's folder has a file of this name, no work ends


def infer(p: params.Infer, report: Report) -> dict[str, Any]:
    """Copy the recording; a text file is no recording."""
    data = Path(p.input_path).read_bytes()
    if data[:4] != b"RIFF":
        raise BadInput(f"{p.input_path.name} is not a recording.", "Choose a sound file.")
    report(5, 10, "Converting")
    while (paths().root / HOLD).exists():
        report(5, 10, "Converting")
        time.sleep(STEP_S)
    Path(p.output_path).write_bytes(data)
    return {"message": f"Converted {p.input_path.name}.", "output_path": str(p.output_path)}


def create(p: params.CreateVoice, report: Report) -> dict[str, object]:
    """Pretend to train up to `total_epoch`, saving every epoch; go on where it was stopped."""
    folder = experiment(p.model_name)
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(Path(p.dataset_path).iterdir())
    stage = manifest.Stage("preprocess", inputs=len(files), outputs=[f.name for f in files])
    slices = [f"sliced_audios/0_0_{number}.wav" for number in range(3)]
    stage.details = {"total_seconds": 61.0, "sources": {files[0].name: {"slices": slices}}}
    stage.warnings = ["one.wav: clipped, 3 % of it lies at full scale"]
    manifest.record(folder, stage)
    found = {"kind": "finding", "step": 0, "epoch": 0} | FINDING
    note(folder, found)
    note(folder, plan(p))
    state = folder / "state.pt"
    epoch = int(state.read_text()) if state.is_file() else 0
    try:
        while epoch < p.total_epoch:
            report(
                epoch, p.total_epoch, f"train: Training | epoch {epoch}/{p.total_epoch} mel 9.00"
            )
            time.sleep(STEP_S)
            epoch += 1
            note(folder, {"kind": "steps", "step": epoch, "epoch": 1, "mel": 9 / epoch})
            if epoch == BEST:
                keep(folder, files[0], epoch)
    finally:
        state.write_text(str(epoch))
    manifest.record(folder, manifest.Stage("train", outputs=["x"], details={"epoch": epoch}))
    made = {"voice": folder / f"{p.model_name}.pth", "index": folder / f"{p.model_name}.index"}
    voice(made["voice"], epoch)
    said = {"message": f"Trained {p.model_name} up to epoch {epoch}.", "epoch": epoch}
    return said | {key: str(file) for key, file in made.items()}


def plan(p: params.CreateVoice) -> dict[str, Any]:
    """What a training says after its first steps: an epoch takes its recordings' length."""
    said = {"kind": "plan", "step": 0, "epoch": 0, "minutes": 0.5, "expected_epoch_s": 30.0}
    kind = {"vocoder": p.vocoder, "sample_rate": p.sample_rate}
    return said | kind | {"machine": device.machine(), "device": "cpu", "devices": 1}


def keep(folder: Path, recording: Path, epoch: int) -> None:
    """What a training leaves of its best save: the voice, its score, a rendering of a slice."""
    voice(folder / "best.pth", epoch, step=epoch)
    note(folder, {"kind": "validation", "step": epoch, "epoch": epoch, "score": 1.5})
    heard = folder / "eval" / "renders" / f"{epoch}e" / "0_0_1.wav"
    heard.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(recording, heard)


def note(folder: Path, record: dict[str, Any]) -> None:
    with (folder / "metrics.jsonl").open("a") as out:
        out.write(json.dumps(record) + "\n")


def stage(name: str, p: params.Preprocess, report: Report) -> dict[str, str]:
    """Pretend to do one stage of a training."""
    report(1, 1, name)
    folder = experiment(p.model_name)
    folder.mkdir(parents=True, exist_ok=True)
    manifest.record(folder, manifest.Stage(name, inputs=2, outputs=["a", "b"]))
    return {"message": f"Finished {name} of {p.model_name}."}


preprocess = partial(stage, "preprocess")
extract = partial(stage, "extract")
train = partial(stage, "train")
index = partial(stage, "index")


def distil(p: params.Distil, report: Report) -> dict[str, str]:
    """Pretend to teach a lite voice."""
    report(1, 2, "The teacher speaks")
    made = experiment(p.model_name) / f"{p.model_name}.pth"
    made.parent.mkdir(parents=True)
    voice(made, p.total_epoch, vocoder="lite")
    return {"message": f"{p.pth_path.name} taught {p.model_name}.", "voice": str(made)}


def voice(file: Path, epoch: int = 1, **more: Any) -> None:
    """A voice file as far as the list of voices looks into it."""
    facts = {"weight": {}, "epoch": epoch, "sr": 40000, "embedder_model": "mini"} | more
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("voice/data.pkl", pickle.dumps(facts, protocol=2))


VERBS = {
    "infer": tasks.Verb("rvc.params:Infer", "tests.tts.fake_engines:infer", warm=True),
    "create-voice": tasks.Verb("rvc.params:CreateVoice", "tests.tts.fake_engines:create"),
} | {
    name: tasks.Verb(tasks.VERBS[name].declared, f"tests.tts.fake_engines:{name}")
    for name in ("preprocess", "extract", "train", "index", "distil")
}


def main() -> None:
    tasks.VERBS.update(VERBS)
    if sys.argv[1] == "app":
        import app
        from rvc import config, jobs
        from rvc.realtime import remote
        from rvc.server import floor, machine

        config.SHIPPED = paths().root / "nothing"
        floor.AGAIN_S = 90.0  # a page that is loaded again may take its time on a busy machine
        remote.PROGRAM = ("-m", "tests.realtime.fake_remote")
        jobs.RUNNER = ["-m", "tests.tts.fake_engines"]
        machine.LOOK = (
            """print('{"device": "cpu", "precision": "float32", "why": "CPU: a test"}')"""
        )
        app.main(sys.argv[2:])
    else:
        from rvc.jobs.__main__ import main as work

        sys.exit(work(sys.argv[1:]))


if __name__ == "__main__":
    main()
