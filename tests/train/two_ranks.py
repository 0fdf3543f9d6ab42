"""Run by torchrun in the tests: a tiny training on several processes, all randomness removed."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rvc.nets.layers import Noise
from rvc.train import distributed, preflight, trainer
from rvc.train.__main__ import main
from rvc.train.state import State
from tests.train import tiny


def run(home: Path, options: dict[str, Any], *exchange: str) -> int:
    patch = pytest.MonkeyPatch()
    patch.setenv("RVC_HOME", str(home))
    patch.setattr(preflight, "LEAST_SPEECH_S", 0.5)
    patch.setattr(distributed, "CHUNK_VALUES", 5000)  # gradients travel in many messages
    if options.pop("calm", False):
        patch.setattr(Noise, "normal", lambda self, like: torch.zeros_like(like))
        patch.setattr(torch, "rand", lambda shape, **rest: torch.full(shape, 0.5))
    if (rank := options.pop("kill_rank", None)) is not None and os.environ["RANK"] == str(rank):
        due = trainer.Trainer._due

        def die(self: trainer.Trainer) -> bool:
            return os._exit(9) if len(self.eta.times_s) > 3 else due(self)

        patch.setattr(trainer.Trainer, "_due", die)
    torch.set_num_threads(1)
    fit = trainer.Trainer.fit

    def fit_and_tell(self: trainer.Trainer, s: State) -> bool:
        finished = fit(self, s)
        sums = {k: v.double().sum().item() for k, v in s.g.state_dict().items()}
        Path(home, f"rank{self.recipe.ranks.rank}.json").write_text(json.dumps(sums))
        return finished

    patch.setattr(trainer.Trainer, "fit", fit_and_tell)
    file = Path(home) / f"params{os.environ.get('RANK', '')}.json"
    file.write_text(tiny.params(**options).model_dump_json())
    return main([str(file), *exchange], replace(tiny.PARTS))


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), json.loads(sys.argv[2]), *sys.argv[3:]))
