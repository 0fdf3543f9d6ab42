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

from rvc import config, device
from rvc.dataset import manifest
from rvc.errors import BadInput, Cancelled, StageFailed, VoiceError
from rvc.params import Train
from rvc.progress import Report, silent
from rvc.train import distributed as groups
from rvc.train import export, index
from rvc.train.distributed import Ranks
from rvc.train.stopping import Stop, saved
from rvc.train.training import result, train

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
