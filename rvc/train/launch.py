"""The verb `train`: one process on one device, or torchrun over several.

`python core.py train …` trains in this process, without process group or socket. With several
GPUs (`--gpu 0-1`) it starts torchrun, which starts this module once per GPU:

    torchrun --nproc-per-node 2 -m rvc.train.launch PARAMETERS.json

The same line with `--nnodes`, `--node-rank` and `--rdzv-endpoint` spans several machines that
share the experiment's folder. `--batch-size` counts per process and the learning rate stays: the
gradient is the mean over all. Every restart, torchrun's elastic one included, goes on from the
state file.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from rvc import config, device
from rvc.errors import BadInput, StageFailed, VoiceError
from rvc.params import Train
from rvc.progress import Report, silent
from rvc.train import export, index, manifest, resume, setup, state
from rvc.train import ranks as groups
from rvc.train.curves import Curves
from rvc.train.holdout import minutes
from rvc.train.loop import Course, State, fit
from rvc.train.ranks import Ranks
from rvc.train.session import Session
from rvc.train.stopping import Stop
from rvc.train.tuning import tune
from rvc.train.watch import ParameterWatch

log = logging.getLogger(__name__)

Result = dict[str, Any]


def run(p: Train, report: Report = silent) -> Result:
    """Train up to `total_epoch`, going on from the saved state where there is one.

    Raises:
        Cancelled: stopped on request, everything saved. VoiceError: see its message.
    """
    folder = config.experiment(p.model_name)
    if not folder.is_dir():
        raise BadInput(f"There is no voice named {p.model_name!r} in the making.", "Preprocess.")
    chosen = device.choose(p.gpu, p.precision, "train")
    with manifest.lock(folder):
        if p.cleanup:
            gone = export.clean(folder, p.model_name)
            log.info("Deleted %d files of earlier training.", len(gone))
        if len(chosen.numbers) > 1:
            _torchrun(p, chosen.numbers)
            result = _summary(p, folder)
        else:
            result = train(p, folder, chosen, Ranks(), report)
        return result | _index(p, folder, report)


def train(p: Train, folder: Path, chosen: device.Device, ranks: Ranks, report: Report) -> Result:
    """One process's part of a training."""
    began = time.monotonic()
    log.info("Training on %s.", chosen.why)
    tune(chosen.device, tf32=p.precision != "fp32")
    m = setup.material(p, folder)
    recipe = setup.recipe(p, m, chosen, ranks)
    data = setup.dataset(p, m, chosen.device)
    sampler = setup.sampler(p, data, ranks)
    identity = setup.identity(p, m, ranks)
    s = _state(p, m, chosen, folder, identity)
    ranks.copy_from_first([*s.g.state_dict().values(), *s.d.state_dict().values()])
    _announce(p, m, sampler, s)
    meta = setup.voice_meta(m)
    with Stop() as stop:
        session = Session(
            p=p,
            folder=folder,
            recipe=recipe,
            clips=m.learn,
            steps_per_epoch=len(sampler),
            identity=identity,
            curves=Curves(folder, s.step) if ranks.first else None,
            report=report if ranks.first else silent,
            stop=stop,
            export=lambda s: export.export(s, p, folder, m.settings, meta),
            judge=lambda s: None,
            extra=dict,
            watched=ParameterWatch((s.g, s.d)),
            epoch_s=time.monotonic() if s.done == 0 else None,
        )
        if ranks.first and export.missing(s, p, folder):
            session.export(s)
        course = Course(data, sampler, p.total_epoch, session.after_step, session.after_epoch)
        try:
            finished = fit(s, recipe, course)
        finally:
            if session.curves:
                session.curves.close()
    if not finished:
        raise session.cancelled(s)
    if ranks.first:
        seconds = time.monotonic() - began
        _record(folder, p, identity, s, seconds, session.monitor.report())
    return _summary(p, folder)


def _state(
    p: Train, m: setup.Material, chosen: device.Device, folder: Path, identity: dict[str, Any]
) -> State:
    """Where the training stands: the saved state, or a beginning."""
    payload = state.load(folder)
    if payload is None:
        return setup.begin(p, m, chosen, folder)
    resume.check(payload["identity"], identity)
    s = setup.networks(p, m, chosen, len(payload["g"]["emb_g.weight"]))
    resume.unpack(s, payload)
    log.info("Going on in epoch %d after step %d.", s.epoch, s.step)
    return s


def _announce(p: Train, m: setup.Material, sampler: Any, s: State) -> None:
    people = len({clip.speaker for clip in m.learn})
    log.info(
        "%d clips, %.1f minutes, %d speaker%s: %d steps per epoch, %d epochs to go.",
        len(m.learn),
        minutes(m.learn),
        people,
        "s" * (people > 1),
        len(sampler),
        max(0, p.total_epoch - s.epoch + 1),
    )
    if s.epoch <= p.total_epoch:
        log.info("How long it takes is measured in the first steps.")


def _record(
    folder: Path,
    p: Train,
    identity: dict[str, Any],
    s: State,
    seconds: float,
    watched: dict[str, Any],
) -> None:
    voices = sorted(file.name for file in folder.glob(f"{p.model_name}_*e_*s.pth"))
    fingerprint = {k: v for k, v in identity.items() if k != "clips"}
    fingerprint["clips"] = manifest.digest(identity["clips"])
    details = {"epoch": s.epoch - 1, "step": s.step, **watched}
    done = manifest.Stage("train", fingerprint, len(identity["clips"]), voices, details=details)
    done.seconds = seconds
    manifest.record(folder, done)


def _summary(p: Train, folder: Path) -> Result:
    done = manifest.require(folder, "train")
    voice = f"{p.model_name}_{done.details['epoch']}e_{done.details['step']}s.pth"
    return {
        "message": f"Trained {p.model_name} up to epoch {done.details['epoch']}: {folder / voice}",
        "voice": str(folder / voice),
        "epoch": done.details["epoch"],
        "step": done.details["step"],
        "seconds": round(done.seconds, 1),
        "findings": done.details["findings"],
        "skipped_steps": done.details["skipped_steps"],
    }


def _index(p: Train, folder: Path, report: Report) -> Result:
    """The index, built after every training as Applio does."""
    made = index.build(folder, p.index_algorithm, report)
    return {key: made[key] for key in ("index", "vectors")}


def _torchrun(p: Train, numbers: tuple[int, ...]) -> None:
    """One process per GPU, all ended together.

    Raises:
        StageFailed: a process ended with an error.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "train.json"
        file.write_text(p.model_dump_json(), encoding="utf-8")
        line = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        line += [f"--nproc-per-node={len(numbers)}", "-m", "rvc.train.launch", str(file)]
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, numbers))}
        root = str(config.REPOSITORY)
        python_path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(line, env={**os.environ, **visible, "PYTHONPATH": python_path})
    if done.returncode:
        raise StageFailed(
            f"Training on {len(numbers)} GPUs ended with status {done.returncode}.",
            "The log above names the cause; run the same command to go on from the saved state.",
        )


def main(arguments: list[str]) -> int:
    """One rank under torchrun; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    p = Train.model_validate(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    try:
        cuda = p.gpu != "-" and torch.cuda.is_available()
        ranks = groups.join("cuda" if cuda else "cpu")
        gpu = str(ranks.local) if cuda else "-"
        if cuda:
            torch.cuda.set_device(ranks.local)
        try:
            chosen = device.choose(gpu, p.precision, "train")
            train(p, config.experiment(p.model_name), chosen, ranks, silent)
        finally:
            groups.leave(ranks)
    except VoiceError as error:
        log.error("%s %s", error.message, error.hint)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
