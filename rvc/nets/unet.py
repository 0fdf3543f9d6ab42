"""The U-Net that hears a voice, or an accompaniment, in the spectrogram of a song.

Architecture of the two-stem Spleeter (Hennequin et al. 2020, JOSS 5(50) 2154; after Jansson et al.
2017, "Singing voice separation with deep U-Net convolutional networks"), written from the facts of
the published network. Six convolutions of 5 x 5 and stride 2 go down (16 to 512 channels), six
transposed ones go up. The way down is handed over *before* normalisation and activation; on the
way up the activation comes *before* the normalisation.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.errors import Mismatch

WIDTHS = (16, 32, 64, 128, 256, 512)
EPSILON = 1e-3
MULTIPLE = 64  # frames and bins are halved six times
SCALE = ".scale"  # of a kernel kept as int8: one number per output channel


class Down(nn.Module):
    """Halves time and frequency.

    TensorFlow's "same" padding at stride 2: of the 3 padded cells 1 lies before, 2 behind.
    """

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, out, 5, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.pad(x, (1, 2, 1, 2))))


class Up(nn.Module):
    """Doubles time and frequency: the adjoint of Down, so 1 cell is dropped before, 2 behind."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(inside, out, 5, stride=2)
        self.norm = nn.BatchNorm2d(out, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.norm(F.relu(self.conv(x)[..., 1:-2, 1:-2])))


class UNet(nn.Module):
    """Magnitudes of a stereo song -> magnitudes of one stem, both (B, 2, frames, bins).

    Frames and bins are multiples of MULTIPLE; magnitudes are those of a 4096-point STFT.
    """

    def __init__(self) -> None:
        super().__init__()
        ins = (2, *WIDTHS)
        self.down = nn.ModuleList(Down(a, b) for a, b in zip(ins, WIDTHS, strict=False))
        self.norm = nn.ModuleList(nn.BatchNorm2d(width, eps=EPSILON) for width in WIDTHS[:-1])
        outs = (*reversed(WIDTHS[:-1]), 1)
        wide = (WIDTHS[-1], *(2 * width for width in reversed(WIDTHS[:-1])))
        self.up = nn.ModuleList(Up(a, b) for a, b in zip(wide, outs, strict=True))
        self.mask = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, mix: Tensor) -> Tensor:
        x, kept = mix, []
        for step, down in enumerate(self.down):
            x = down(x)
            if step < len(self.norm):
                kept.append(x)
                x = F.leaky_relu(self.norm[step](x), 0.2)
        for up in self.up:
            x = up(x)
            if kept:
                x = torch.cat((kept.pop(), x), 1)
        return torch.sigmoid(self.mask(x)) * mix


def load(file: Path) -> UNet:
    """The network of one stem from a safetensors file, on the CPU.

    Kernels may be kept as int8 with a scale per output channel beside them (name + ".scale").

    Raises:
        Mismatch: not a safetensors file, or not the weights of this network.
    """
    try:
        weights = {name: value.float() for name, value in load_file(file).items()}
    except SafetensorError as error:
        raise Mismatch(f"{file} is damaged: {error}.", "Install the program again.") from error
    for name in [name for name in weights if name.endswith(SCALE)]:
        scale = weights.pop(name)
        kernel = name.removesuffix(SCALE)
        if kernel in weights:
            weights[kernel] = weights[kernel] * scale
    net = UNet()
    counters = {name for name in net.state_dict() if name.endswith("num_batches_tracked")}
    wanted = {name: tuple(v.shape) for name, v in net.state_dict().items() if name not in counters}
    if wanted != {name: tuple(value.shape) for name, value in weights.items()}:
        raise Mismatch(f"{file} does not hold the weights of this network.", "Choose another file.")
    net.load_state_dict(weights, strict=False)
    return net.eval().requires_grad_(False)
