"""Run by torchrun in the tests: a tiny training on several processes, all randomness removed."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

from rvc.nets.layers import Noise
from rvc.train import train, trainer
from rvc.train import train as training
from tests.train import tiny


def main(home, options):
    patch = pytest.MonkeyPatch()
    patch.setenv("RVC_HOME", home)
    patch.setattr("rvc.train.build.Discriminators", tiny.TinyDiscriminators)
    patch.setattr("rvc.train.train.look_at_data", lambda *_: None)
    patch.setattr("rvc.train.metrics._board", lambda *_: None)
    patch.setattr("rvc.train.preflight.LEAST_SPEECH_S", 0.5)
    patch.setattr("rvc.train.report.write", lambda *_: None)
    if options.pop("calm", False):
        patch.setattr(Noise, "normal", lambda self, like: torch.zeros_like(like))
        patch.setattr(torch, "rand", lambda shape, **rest: torch.full(shape, 0.5))
    if (rank := options.pop("kill_rank", None)) is not None and os.environ["RANK"] == str(rank):
        due = trainer.Session._due

        def die(self):
            return os._exit(9) if len(self.times_s) > 3 else due(self)

        patch.setattr(trainer.Session, "_due", die)
    torch.set_num_threads(1)
    fit = training.fit

    def fit_and_tell(s, recipe, course):
        finished = fit(s, recipe, course)
        told = {k: v.double().sum().item() for k, v in s.g.state_dict().items()}
        Path(home, f"rank{recipe.ranks.rank}.json").write_text(json.dumps(told))
        return finished

    patch.setattr("rvc.train.train.fit", fit_and_tell)
    file = Path(home) / f"params{os.environ.get('RANK', '')}.json"
    file.write_text(tiny.params(**options).model_dump_json())
    return train.main([str(file)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
