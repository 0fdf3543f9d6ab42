"""Networks of the real shape and tiny widths, and trainings of them that take a second."""

import json
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from rvc.nets import config
from rvc.nets.discriminators import Discriminator, Discriminators
from rvc.nets.layers import normed
from rvc.params import Train
from rvc.progress import silent
from rvc.train import preflight, train
from rvc.train.build import Parts
from tests.train.make import RATE, experiment

SMALL = {
    "inter_channels": 8,
    "hidden_channels": 8,
    "filter_channels": 16,
    "n_layers": 1,
    "upsample_initial_channel": 16,
    "gin_channels": 4,
    "resblock_kernel_sizes": (3,),
    "resblock_dilation_sizes": ((1, 3),),
    "segment_size": 4000,
}


class TinyPeriod(Discriminator):
    def __init__(self, period):
        super().__init__()
        self.period = period
        self.convs = nn.ModuleList(
            [normed(nn.Conv1d(period, 8, 5, 3, 2)), normed(nn.Conv1d(8, 8, 5, 1, 2))]
        )
        self.conv_post = normed(nn.Conv1d(8, 1, 3, padding=1))

    def prepare(self, wave):
        wave = wave[..., : wave.shape[-1] // self.period * self.period]
        return wave.unflatten(2, (-1, self.period))[:, 0].transpose(1, 2)


class TinyDiscriminators(Discriminators):
    """Three small discriminators in place of nine big ones."""

    def __init__(self, version="v2"):
        nn.Module.__init__(self)
        self.version = version
        self.discriminators = nn.ModuleList(TinyPeriod(p) for p in (2, 3, 5))


def small_settings():
    return replace(config.load(RATE), **SMALL)


def flat_pitch(method, device):
    """An extractor that hears 120 Hz everywhere."""
    return lambda wave: np.full(len(wave) // 160 + 1, 120.0, np.float32)


PARTS = Parts(
    discriminators=TinyDiscriminators,
    shortest_step_s=lambda *_: 0.0,
    judge_slices=lambda *_: None,
    build_index=lambda *_: {"index": "", "vectors": 0},
    write_report=lambda *_: None,
    summary_writer=lambda *_: None,  # seconds of imports
    load_pitch=flat_pitch,
)


def run(p, report=silent, **parts):
    """Train with small parts, some of them replaced."""
    return train.run(p, report, replace(PARTS, **parts))


def voice(home, monkeypatch, name="v", **options):
    """An experiment that trains in a second; returns its folder."""
    monkeypatch.setenv("RVC_HOME", str(home))
    monkeypatch.setattr(preflight, "LEAST_SPEECH_S", 0.5)
    torch.set_num_threads(1)
    folder = experiment(home / "logs" / name, **options)
    (folder / "config.json").write_text(json.dumps(small_settings().as_json()))
    return folder


def params(**changes):
    given = {
        "model_name": "v",
        "sample_rate": RATE,
        "save_every_epoch": 1,
        "total_epoch": 2,
        "batch_size": 2,
        "pretrained": False,
        "gpu": "-",
        "holdout": 0.0,
    }
    return Train(**(given | changes))
