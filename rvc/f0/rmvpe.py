"""RMVPE: a U-Net over mel frames and a recurrent layer; robust against noise and accompaniment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rvc import f0
from rvc.audio.dsp import mel_bank
from rvc.config import paths
from rvc.f0 import contour
from rvc.hub import fetch

N_FFT, BINS, PITCHES = 1024, 128, 360
CENTS = 20.0 * np.arange(PITCHES) + 1997.3794084376191  # above 10 Hz
VOICED_ABOVE = 0.03
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
STRIDE = 32  # five halvings of the frame axis
BLOCK, CONTEXT = 1024, 192  # frames; multiples of STRIDE


def _unit(conv: nn.Module, channels: int) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(channels, momentum=0.01), nn.ReLU()]


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut, (B, inputs, T, M) -> (B, outputs, T, M)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *_unit(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), outputs),
            *_unit(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), outputs),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        return y + (x if self.shortcut is None else self.shortcut(x))


def _residuals(inputs: int, outputs: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(Residual(inputs if i == 0 else outputs, outputs) for i in range(count))


class Stage(nn.Module):
    """Residual blocks in a row."""

    def __init__(self, inputs: int, outputs: int, count: int) -> None:
        super().__init__()
        self.conv = _residuals(inputs, outputs, count)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.conv:
            x = block(x)
        return x


class Encoder(nn.Module):
    """Halves both axes after each stage; hands back the result and every stage's output."""

    def __init__(self, width: int, stages: int, count: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(1, momentum=0.01)
        sizes = [1] + [width << i for i in range(stages)]
        self.layers = nn.ModuleList(Stage(a, b, count) for a, b in pairwise(sizes))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        skips = []
        x = self.bn(x)
        for layer in self.layers:
            skips.append(layer(x))
            x = F.avg_pool2d(skips[-1], 2)
        return x, skips


class Bottom(nn.Module):
    """The narrowest part of the U."""

    def __init__(self, inputs: int, outputs: int, layers: int, count: int) -> None:
        super().__init__()
        sizes = [inputs, *[outputs] * layers]
        self.layers = nn.Sequential(*(Stage(a, b, count) for a, b in pairwise(sizes)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layers(x)
        return out


class Up(nn.Module):
    """Doubles both axes, then joins the encoder's output of that size."""

    def __init__(self, inputs: int, outputs: int, count: int) -> None:
        super().__init__()
        up = nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1, bias=False)
        self.conv1 = nn.Sequential(*_unit(up, outputs))
        self.conv2 = _residuals(2 * outputs, outputs, count)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.conv1(x), skip], dim=1)
        for block in self.conv2:
            x = block(x)
        return x


class Decoder(nn.Module):
    """Climbs back up the U."""

    def __init__(self, inputs: int, stages: int, count: int) -> None:
        super().__init__()
        sizes = [inputs >> i for i in range(stages + 1)]
        self.layers = nn.ModuleList(Up(a, b, count) for a, b in pairwise(sizes))

    def forward(self, x: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
        for layer, skip in zip(self.layers, reversed(skips), strict=True):
            x = layer(x, skip)
        return x


class UNet(nn.Module):
    """(B, 1, T, M) -> (B, width, T, M); T and M are multiples of 32."""

    def __init__(self, width: int = 16, stages: int = 5, count: int = 4) -> None:
        super().__init__()
        top = width << (stages - 1)
        self.encoder = Encoder(width, stages, count)
        self.intermediate = Bottom(top, 2 * top, 4, count)
        self.decoder = Decoder(2 * top, stages, count)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, skips = self.encoder(x)
        out: torch.Tensor = self.decoder(self.intermediate(x), skips)
        return out


class Recurrent(nn.Module):
    """One bidirectional GRU layer, (B, T, C) -> (B, T, 2 * hidden)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.gru(x)[0]
        return out


class Network(nn.Module):
    """Log-mel (B, 128, T) -> salience (B, T, 360) in 0..1; T is a multiple of 32.

    The keys of the state dict are those of the public rmvpe.pt.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unet = UNet()
        self.cnn = nn.Conv2d(16, 3, 3, padding=1)
        self.fc = nn.Sequential(Recurrent(3 * BINS, 256), nn.Linear(512, PITCHES))

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        x = self.cnn(self.unet(mel.transpose(1, 2).unsqueeze(1)))  # (B, 3, T, 128)
        return torch.sigmoid(self.fc(x.transpose(1, 2).flatten(2)))


def fold(net: Network) -> Network:
    """Merge every batch normalisation into the convolution before it, for inference (in place)."""
    net.eval().requires_grad_(False)
    for row in [m for m in net.modules() if isinstance(m, nn.Sequential)]:
        for i, (conv, norm) in enumerate(pairwise(row.children())):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(conv, CONVOLUTIONS):
                turned = isinstance(conv, nn.ConvTranspose2d)
                row[i] = nn.utils.fusion.fuse_conv_bn_eval(conv, norm, turned)
                row[i + 1] = nn.Identity()
    return net


def read(file: Path | None = None) -> Network:
    """The network, filled and folded. Raises what `RMVPE` raises."""
    fetch.supply(file := file or paths().predictors / "rmvpe.pt")
    state = f0.read_weights(file)
    with torch.device("meta"):  # no memory and no random numbers for values replaced at once
        net = Network()
    f0.fill_network(net, state.get("model", state), file)
    del state  # or the folded weights would lie beside it
    return fold(net)


class RMVPE:
    """Pitch by RMVPE with the weights in rvc/models/predictors/rmvpe.pt.

    Long inputs are computed in blocks of 10 s with 1.9 s more on both sides.

    Args:
        file: another file of f0.
        net: the network itself, filled and folded, or its graph; nothing is read then.

    Raises:
        MissingModel: the weights are not there; the hint names the ways out.
        BadInput: the file is damaged or holds another network.
    """

    def __init__(
        self, device: str = "cpu", file: Path | None = None, net: nn.Module | None = None
    ) -> None:
        self.device = torch.device(device)
        self.net = (read(file) if net is None else net).to(self.device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
        bank = mel_bank(contour.RATE, N_FFT, BINS, 30.0, 8000.0, htk=True)
        self.bank = torch.from_numpy(bank).float().to(self.device)
        self.window = torch.hann_window(N_FFT, device=self.device)

    def mel(self, wave: np.ndarray, first: int, last: int) -> torch.Tensor:
        """Log-mel of frames [first, last) of a 16 kHz wave (T,) -> (1, 128, last - first)."""
        start, stop = first * contour.HOP - N_FFT // 2, (last - 1) * contour.HOP + N_FFT // 2
        part = torch.from_numpy(contour.samples(wave, start, stop)).to(self.device)
        spectrum = torch.stft(
            part[None], N_FFT, contour.HOP, window=self.window, center=False, return_complex=True
        )
        return torch.log(torch.clamp(self.bank @ spectrum.abs(), min=1e-5))

    @torch.inference_mode()
    def salience(self, mel: torch.Tensor) -> torch.Tensor:
        """Log-mel (B, 128, T) -> (B, T, 360) for any T."""
        frames = mel.shape[-1]
        mode = "reflect" if (missing := -frames % STRIDE) < frames else "replicate"
        found: torch.Tensor = self.net(F.pad(mel, (0, missing), mode=mode))
        return found[:, :frames]

    @torch.inference_mode()
    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (T // 160 + 1,) float32 in Hz, 0 where unvoiced."""
        f0_hz = np.zeros(contour.frame_count(len(wave_16k)), np.float32)
        for span in contour.spans(len(f0_hz), BLOCK, CONTEXT):
            salience = self.salience(self.mel(wave_16k, span.first, span.last))[0, span.keep]
            f0_hz[span.start : span.stop] = decode(salience)
        return contour.finish(f0_hz, wave_16k)

    @torch.inference_mode()
    def batch(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same for several waves at once; a shorter one is followed by its own mirror image."""
        found = [np.zeros(contour.frame_count(len(wave)), np.float32) for wave in waves]
        spans = [
            (number, span)
            for number, f0_hz in enumerate(found)
            for span in contour.spans(len(f0_hz), BLOCK, CONTEXT)
        ]
        longest = max(span.last - span.first for _, span in spans)
        mels = [self.mel(waves[number], span.first, span.last) for number, span in spans]
        rows = torch.cat([mirrored(mel, longest) for mel in mels])
        for (number, span), salience in zip(spans, self.salience(rows), strict=True):
            found[number][span.start : span.stop] = decode(salience[span.keep])
        return [contour.finish(f, wave) for f, wave in zip(found, waves, strict=True)]


def mirrored(mel: torch.Tensor, frames: int) -> torch.Tensor:
    """(1, M, T) -> (1, M, frames): forwards and backwards by turns."""
    count = mel.shape[2]
    at = torch.arange(frames, device=mel.device) % max(1, 2 * count - 2)
    return mel[:, :, torch.minimum(at, 2 * count - 2 - at).clamp(min=0)]


def decode(salience: torch.Tensor) -> np.ndarray:
    """(T, 360) -> Hz: mean of the nine bins around the highest, weighted by salience; else 0."""
    highest, at = salience.float().max(dim=1)
    near = at[:, None] + torch.arange(-4, 5, device=at.device)
    inside = (near >= 0) & (near < PITCHES)
    mass = torch.where(inside, salience.float().gather(1, near.clamp(0, PITCHES - 1)), 0.0)
    # the rest of it in double precision, which not every device has
    around, loud = near.clamp(0, PITCHES - 1).cpu().numpy(), mass.cpu().numpy().astype(np.float64)
    cents = (loud * CENTS[around]).sum(axis=1) / np.maximum(loud.sum(axis=1), 1e-12)
    voiced = highest.cpu().numpy() > VOICED_ABOVE
    return np.where(voiced, 10.0 * 2.0 ** (cents / 1200.0), 0.0)
