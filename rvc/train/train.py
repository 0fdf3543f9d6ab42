"""The verb `train`: one process on one device, or torchrun over several.

`python core.py train …` trains in this process, without process group or socket. With several
GPUs (`--gpu 0-1`) it starts torchrun, which starts this module once per GPU:

    torchrun --nproc-per-node 2 -m rvc.train.train PARAMETERS.json

The same line with `--nnodes`, `--node-rank` and `--rdzv-endpoint` spans several machines that
share the experiment's folder. `--batch-size` counts per process and the learning rate stays: the
gradient is the mean over all. Every restart, torchrun's elastic one included, goes on from the
state file.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from rvc import config, device, memory
from rvc.dataset import manifest
from rvc.dataset.report import report as dataset_report
from rvc.errors import BadInput, Cancelled, StageFailed, VoiceError
from rvc.params import DatasetReport, Train
from rvc.progress import Report, silent
from rvc.train import build, checkpoint, export, index, report, validation
from rvc.train import checkpoint as resume
from rvc.train import distributed as groups
from rvc.train.batch_size import largest
from rvc.train.distributed import Ranks
from rvc.train.holdout import minutes
from rvc.train.metrics import Curves
from rvc.train.plausibility import ParameterWatch
from rvc.train.step import Course, Recipe, State, fit
from rvc.train.stopping import Stop, saved
from rvc.train.trainer import Session
from rvc.train.validation import Judge

POLL_S = 0.1

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
            _torchrun(p, chosen.numbers, folder)
            done = result(p, folder)
        else:
            done = train(p, folder, chosen, Ranks(), report)
        return done | _index(p, folder, report)


def _index(p: Train, folder: Path, report: Report) -> Result:
    """The index, built after every training as Applio does."""
    made = index.build(folder, p.index_algorithm, report)
    return {key: made[key] for key in ("index", "vectors")}


def _torchrun(p: Train, numbers: tuple[int, ...], folder: Path) -> None:
    """One process per GPU, all ended together.

    Raises:
        Cancelled: stopped on request; every process was told to save and end.
        StageFailed: a process ended with an error.
    """
    with tempfile.TemporaryDirectory() as scratch, Stop() as stop:
        file = Path(scratch) / "train.json"
        once = p.model_copy(update={"cleanup": False})  # a restart must not delete again
        file.write_text(once.model_dump_json(), encoding="utf-8")
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, numbers))}
        root = str(config.REPOSITORY)
        python_path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        status = _attended(
            subprocess.Popen(
                _line(file, len(numbers)), env={**os.environ, **visible, "PYTHONPATH": python_path}
            ),
            stop,
        )
    if stop.asked and status:
        raise Cancelled(f"Stopped. {saved(folder)}".strip(), "Start it again to go on from there.")
    if status:
        raise StageFailed(
            f"Training on {len(numbers)} GPUs ended with status {status}.",
            "The log above names the cause; run the same command to go on from the saved state.",
        )


def _line(file: Path, count: int) -> list[str]:
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*line, f"--nproc-per-node={count}", "-m", "rvc.train.train", str(file)]


def _attended(child: subprocess.Popen[bytes], stop: Stop) -> int:
    """Exit status of torchrun; a SIGTERM reaches it too, a terminal's Ctrl-C already has."""
    told = False
    try:
        while child.poll() is None:
            if stop.signal == signal.SIGTERM and not told:
                told = True
                child.terminate()
            time.sleep(POLL_S)
    except BaseException:
        child.kill()
        raise
    return child.returncode


def main(arguments: list[str]) -> int:
    """One rank under torchrun; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    p = Train.model_validate(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    try:
        if p.cleanup:
            raise BadInput(
                "--cleanup cannot be given to torchrun: each restart would begin anew.",
                "Delete the earlier training first.",
            )
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


def train(p: Train, folder: Path, chosen: device.Device, ranks: Ranks, report: Report) -> Result:
    """One process's part of a training."""
    began = time.monotonic()
    log.info("Training on %s.", chosen.why)
    device.use_fast_kernels(chosen.device, tf32=p.precision != "fp32")
    if chosen.device.type == "cpu":
        memory.keep_freed()
    m = build.material(p, folder)
    recipe = build.recipe(p, m, chosen, ranks)
    payload = checkpoint.load(folder)
    if payload is not None and payload["step"] == 0:
        payload = None  # nothing was learnt yet, so nothing binds the settings
    if payload is None and ranks.first:
        look_at_data(folder, report)
    p = _with_batch(p, m, recipe, chosen, payload)
    data = build.dataset(p, m, chosen.device)
    sampler = build.sampler(p, data, ranks)
    identity = build.identity(p, m, ranks)
    s = _state(p, m, chosen, folder, identity, payload)
    ranks.copy_from_first([*s.g.state_dict().values(), *s.d.state_dict().values()])
    _announce(p, m, sampler, s)
    with Stop() as stop:
        session = _session(p, m, folder, recipe, s, len(sampler), identity, report, stop, payload)
        if payload is None:
            session.save(s)  # bad first steps roll back to this
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
    if not ranks.first:
        return {}
    seconds = time.monotonic() - began
    _record(folder, p, identity, s, seconds, session.monitor.report())
    return result(p, folder)


def look_at_data(folder: Path, report: Report) -> None:
    """Judge the slices before a training begins; what it finds is told and hinders nothing."""
    slices = folder / "sliced_audios"
    try:
        found = dataset_report.run(
            DatasetReport(folder=slices, output_folder=folder / "eval" / "dataset", cpu_cores=1),
            report,
        )
    except Cancelled:
        raise
    except VoiceError as error:
        log.warning("The data could not be judged: %s", error.message)
        return
    log.info("%s (%s)", found["message"], found["report"])


def _session(
    p: Train,
    m: build.Material,
    folder: Path,
    recipe: Recipe,
    s: State,
    steps: int,
    identity: dict[str, Any],
    report: Report,
    stop: Stop,
    payload: dict[str, Any] | None,
) -> Session:
    """The callbacks of this run."""
    first, meta = recipe.ranks.first, build.voice_meta(m)
    written = Curves(folder, s.step) if first else None
    judge = Judge(
        folder,
        recipe,
        m.held if first else [],
        written,
        lambda s: export.write_voice(s, folder / "best.pth", p, m.settings, meta),
        validation.ready(m.embedder, recipe.device) if first and m.held else None,
        (payload or {}).get("scores", ()),
        m.speakers,
    )
    return Session(
        p=p,
        folder=folder,
        recipe=recipe,
        clips=m.learn,
        steps_per_epoch=steps,
        identity=identity,
        curves=written,
        report=report if first else silent,
        stop=stop,
        export=lambda s: export.export(s, p, folder, m.settings, meta),
        judge=judge,
        extra=judge.state,
        watched=ParameterWatch((s.g, s.d)),
        epoch_s=time.monotonic() if s.done == 0 else None,
    )


def _with_batch(
    p: Train,
    m: build.Material,
    recipe: Recipe,
    chosen: device.Device,
    payload: dict[str, Any] | None,
) -> Train:
    """The parameters with a batch size: given, of the saved training, or the largest that fits."""
    if p.batch_size:
        return p
    ranks = recipe.ranks
    if payload is not None:
        size = payload["identity"]["batch_size"] // ranks.world
    else:
        clips = len(m.learn) // ranks.world
        size = ranks.tell(
            largest(lambda: build.networks(p, m, chosen, 1), recipe, m.embed_width, clips)
        )
    return p.model_copy(update={"batch_size": size})


def _state(
    p: Train,
    m: build.Material,
    chosen: device.Device,
    folder: Path,
    identity: dict[str, Any],
    payload: dict[str, Any] | None,
) -> State:
    """Where the training stands: the saved state, or a beginning."""
    if payload is None:
        return build.begin(p, m, chosen, folder)
    resume.check(payload["identity"], identity)
    s = build.networks(p, m, chosen, len(payload["g"]["emb_g.weight"]))
    resume.unpack(s, payload)
    log.info("Going on in epoch %d after step %d.", s.epoch, s.step)
    return s


def _announce(p: Train, m: build.Material, sampler: Any, s: State) -> None:
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
    report.write(folder, p.model_name, watched["findings"])
    manifest.record(folder, done)


def result(p: Train, folder: Path) -> Result:
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
