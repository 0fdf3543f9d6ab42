"""What changes in a training, and its form in the file that the training goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler
from torch.optim import AdamW

from rvc.nets.config import VoiceSettings
from rvc.nets.discriminators import Discriminators
from rvc.nets.synthesizer import Synthesizer
from rvc.train.metrics import Averages

LATEST = 2333333  # Applio's number for "only the latest"
SPEAKERS = "emb_g.weight"


@dataclass
class State:
    """Networks, optimisers and counters of a training.

    Attributes:
        epoch: the one under way. done: its finished steps. step: steps in all.
        attempt: counts the times training went back to an earlier state, so that other random
            numbers are drawn than those that led astray.
    """

    g: Synthesizer
    d: Discriminators
    optim_g: AdamW
    optim_d: AdamW
    scaler: GradScaler
    epoch: int = 1
    done: int = 0
    step: int = 0
    attempt: int = 0
    epoch_means: Averages = field(default_factory=Averages)
    window_means: Averages = field(default_factory=Averages)

    def pack(self, identity: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
        """Everything needed to go on, ready for `checkpoint.save`.

        No generator state is among it: every random number of a step is drawn from a generator
        seeded with (seed, step, attempt, rank), the learning rate follows from the epoch, and
        the sampler's position is the number `done`.

        Args:
            identity: what must be the same when it goes on. extra: entries of other parts.
        """
        return {
            "format": 1,
            "identity": dict(identity),
            "epoch": self.epoch,
            "done": self.done,
            "step": self.step,
            "attempt": self.attempt,
            "g": self.g.state_dict(),
            "d": self.d.state_dict(),
            "optim_g": self.optim_g.state_dict(),
            "optim_d": self.optim_d.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch_means": self.epoch_means.state(),
            "window_means": self.window_means.state(),
            **extra,
        }

    def unpack(self, saved: Mapping[str, Any]) -> None:
        """Put a saved training into these freshly built networks and optimisers."""
        self.g.load_state_dict(saved["g"])
        self.d.load_state_dict(saved["d"])
        self.optim_g.load_state_dict(saved["optim_g"])
        self.optim_d.load_state_dict(saved["optim_d"])
        if saved["scaler"] and self.scaler.is_enabled():
            self.scaler.load_state_dict(saved["scaler"])
        self.epoch, self.done, self.step = saved["epoch"], saved["done"], saved["step"]
        self.attempt = saved["attempt"]
        self.epoch_means.restore(saved["epoch_means"])
        self.window_means.restore(saved["window_means"])


def with_speakers(saved: Mapping[str, Any], s: State) -> Mapping[str, Any]:
    """A saved training whose speaker table has as many rows as that of `s`.

    Further speakers begin as the mean of those there are, with no momentum.
    """
    table = saved["g"][SPEAKERS]
    missing = s.g.emb_g.weight.shape[0] - len(table)
    if missing <= 0:
        return saved
    grown = torch.cat([table, table.mean(0, keepdim=True).expand(missing, -1)])
    number = [name for name, _ in s.g.named_parameters()].index(SPEAKERS)
    optim = saved["optim_g"]
    moments = {
        key: torch.cat([value, value.new_zeros(missing, *value.shape[1:])]) if value.ndim else value
        for key, value in optim["state"].get(number, {}).items()
    }
    state = optim["state"] | ({number: moments} if moments else {})
    return {
        **saved,
        "g": {**saved["g"], SPEAKERS: grown},
        "optim_g": {**optim, "state": state},
    }


def optimiser(net: torch.nn.Module, settings: VoiceSettings, device: torch.device) -> AdamW:
    """AdamW as Applio sets it, in its fused form where there is one."""
    return AdamW(
        net.parameters(),
        settings.learning_rate,
        settings.betas,
        settings.eps,
        fused=device.type in ("cpu", "cuda"),
    )
