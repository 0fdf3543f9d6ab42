"""The network of FCPE, and how it is read from the weights file that torchfcpe ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from rvc.errors import BadInput
from rvc.f0 import framing, weights

N_FFT = 1024
GROUPS = 4


class Gated(nn.Module):
    """Conformer convolution module: norm, gate, depthwise convolution over 31 frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Conv1d(width, 4 * width, 1)
        self.depth = nn.Conv1d(2 * width, 2 * width, 31, padding=15, groups=2 * width)
        self.out = nn.Conv1d(2 * width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, T) -> (B, C, T), the sum of input and result."""
        y: torch.Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        y = self.out(F.silu(self.depth(F.glu(self.gate(y), dim=1))))
        return x + y


class Network(nn.Module):
    """Log-mel (B, M, T) -> salience (B, T, P) in 0..1, in two halves around a global norm.

    The group normalisation after the first convolution averages over all time. `lift` and
    `rest` let a long input be computed in blocks with the average of the whole.
    """

    def __init__(self, mels: int, width: int, layers: int, pitches: int) -> None:
        super().__init__()
        self.lift = nn.Conv1d(mels, width, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.conv = nn.Conv1d(width, width, 3, padding=1)
        self.layers = nn.ModuleList(Gated(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, pitches)
        self.context = 2 + 15 * layers  # frames that reach one output frame from each side

    def rest(
        self, lifted: torch.Tensor, mean: torch.Tensor, deviation: torch.Tensor
    ) -> torch.Tensor:
        """`lifted` (B, C, T) with the mean and deviation (groups,) to use -> (B, T, P)."""
        grouped = lifted.reshape(lifted.shape[0], GROUPS, -1, lifted.shape[2])
        grouped = (grouped - mean[None, :, None, None]) / deviation[None, :, None, None]
        x = grouped.flatten(1, 2) * self.scale[:, None] + self.bias[:, None]
        x = self.conv(F.leaky_relu(x))
        for layer in self.layers:
            x = layer(x)
        return torch.sigmoid(self.out(self.norm(x.transpose(1, 2))))


def _public(name: str) -> str:
    """The state-dict key a tensor of `Network` has in torchfcpe's file."""
    for mine, theirs in (
        ("lift.", "input_stack.0."),
        ("conv.", "input_stack.3."),
        ("scale", "input_stack.1.weight"),
        ("bias", "input_stack.1.bias"),
        ("out.", "output_proj."),
    ):
        if name.startswith(mine):
            return theirs + name[len(mine) :]
    if not name.startswith("layers."):
        return name
    _, number, part, kind = name.split(".")
    place = {"norm": "0", "gate": "2", "depth": "4.conv", "out": "6"}[part]
    return f"net.encoder_layers.{number}.conformer.net.{place}.{kind}"


def read(content: dict[str, Any], file: Path) -> tuple[Network, dict[str, Any], torch.Tensor]:
    """Network, mel settings and cents of each bin (P,) from a torchfcpe file.

    Raises:
        BadInput: another layout, with what was found in it.
    """
    config, state = content.get("config_dict"), content.get("model")
    model = config.get("model", {}) if isinstance(config, dict) else {}
    if not isinstance(state, dict) or model.get("type") != "CFNaiveMelPE":
        raise _foreign(file, f"it has the keys {', '.join(sorted(map(str, content))[:6])}")
    mel = content["config_dict"]["mel"]
    frames = (mel["sr"], mel["hop_size"], mel["n_fft"], mel["win_size"])
    if not model.get("conv_only") or frames != (framing.RATE, framing.HOP, N_FFT, N_FFT):
        raise _foreign(file, "it uses attention, or another frame size")
    net = Network(mel["num_mels"], model["hidden_dims"], model["n_layers"], model["out_dims"])
    # a dropout-wrapped conformer is spelt `conformer.0.net` in the file
    state = {key.replace(".conformer.0.net.", ".conformer.net."): v for key, v in state.items()}
    try:
        state["output_proj.weight"] = torch._weight_norm(
            state["output_proj.weight_v"], state["output_proj.weight_g"], 0
        )
        weights.fill(net, {name: state[_public(name)] for name in net.state_dict()}, file)
        return net, mel, state["cent_table"]
    except KeyError as error:
        raise _foreign(file, f"it lacks {error}") from error


def _foreign(file: Path, what: str) -> BadInput:
    return BadInput(
        f"{file} is not a weights file of torchfcpe: {what}.",
        "Move it away: then the weights that come with torchfcpe are used.",
    )
