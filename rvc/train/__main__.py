"""One rank of a training under torchrun: `python -m rvc.train PARAMETERS.json [EXCHANGE]`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import torch

from rvc import config, device, silent
from rvc.errors import BadInput, VoiceError
from rvc.params.train import Train
from rvc.train import distributed
from rvc.train.build import STANDARD, Parts
from rvc.train.launch import Exchange
from rvc.train.train import train

log = logging.getLogger(__name__)


def main(arguments: list[str], parts: Parts = STANDARD) -> int:
    """Take part in a training; returns the exit code.

    Args:
        arguments: the file of the parameters, and the folder of an `Exchange` where the
            program itself started torchrun.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    p = Train.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    exchange = Exchange(Path(arguments[1])) if len(arguments) > 1 else None
    rank = 0
    try:
        if exchange and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0":
            p = p.model_copy(update={"cleanup": False})  # a restart must not delete again
        if p.cleanup and exchange is None:
            raise BadInput(
                "--cleanup cannot be given to torchrun: each restart would begin anew.",
                "Delete the earlier training first.",
            )
        kind = "cpu" if p.gpu == "-" else device.choose("auto", p.precision, "train").device.type
        distributed.require_cuda(kind)
        ranks = distributed.join(kind)
        rank = ranks.rank
        if kind == "cuda":
            torch.cuda.set_device(ranks.local)
        try:
            gpu = str(ranks.local) if kind == "cuda" else "-"
            chosen = device.choose(gpu, p.precision, "train")
            report = exchange.report if exchange else silent
            train(p, config.experiment(p.model_name), chosen, ranks, report, parts)
        finally:
            distributed.leave(ranks)
    except VoiceError as error:
        log.error("%s %s", error.message, error.hint)
        if exchange:
            exchange.fail(rank, error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
