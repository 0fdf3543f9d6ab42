"""FCPE: a stack of depthwise convolutions over mel frames; fast, and its weights come along.

The network calls every tone from about 1130 Hz on unvoiced, with certainty, although its table goes
on to 1975 Hz. At half the speed such a tone is an octave lower, and well known to it: so where one
tone rules the band above 1 kHz, the sound is heard a second time at half speed.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rvc import f0
from rvc.audio.dsp import mel_bank
from rvc.audio.stream import resample
from rvc.config import paths
from rvc.errors import BadInput
from rvc.f0 import contour

N_FFT = 1024
GROUPS = 4
LOG = logging.getLogger(__name__)
ASSET = "fcpe_c_v001.pt"  # inside torchfcpe
LEAD = (N_FFT - contour.HOP) // 2  # samples of a frame before its time stamp
VOICED_ABOVE = 0.006
BLOCK = 1024  # frames
DEAF_HZ = 1000.0  # above it the slow sound is believed ...
SURE = 0.3  # ... from this salience on; consonants and noise stay far below
AROUND = 24  # frames of 10 ms on both sides that the slow sound is heard with
LOW, BAND = slice(4, 58), slice(64, 136)  # bins: 60-900 Hz, and 1000-2100 Hz with the fundamental
WIDTH = 5  # bins that a steady tone fills
SHARE = 0.5  # of the band's power that lies in its strongest tone
BRIDGE = 20  # frames: shorter gaps are not worth two stretches
SHORTEST = 5  # frames of a stretch; consonants open for one or two
LOWEST = slice(4, 16)  # bins: 60-250 Hz, where a speaker's fundamental lies
FAINT = 0.01  # of the power below 4 kHz: as good as nothing there
DOUBTED = 0.08  # of the voiced frames; sung notes above 250 Hz give none
CHECKED = 4  # every so many voiced frames are looked at
LOW_BAND = (
    "The recording has next to no sound below 250 Hz, as from a telephone: fcpe hears an octave "
    "too high in parts of it. --f0-method swift-f0 does not."
)


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
    if not model.get("conv_only") or frames != (contour.RATE, contour.HOP, N_FFT, N_FFT):
        raise _foreign(file, "it uses attention, or another frame size")
    net = Network(mel["num_mels"], model["hidden_dims"], model["n_layers"], model["out_dims"])
    # a dropout-wrapped conformer is spelt `conformer.0.net` in the file
    state = {key.replace(".conformer.0.net.", ".conformer.net."): v for key, v in state.items()}
    try:
        state["output_proj.weight"] = torch._weight_norm(
            state["output_proj.weight_v"], state["output_proj.weight_g"], 0
        )
        f0.fill_network(net, {name: state[_public(name)] for name in net.state_dict()}, file)
        return net, mel, state["cent_table"]
    except KeyError as error:
        raise _foreign(file, f"it lacks {error}") from error


def _foreign(file: Path, what: str) -> BadInput:
    return BadInput(
        f"{file} is not a weights file of torchfcpe: {what}.",
        "Move it away: then the weights that come with torchfcpe are used.",
    )


class FCPE:
    """Pitch by FCPE: rvc/models/predictors/fcpe.pt if it is there, else torchfcpe's own weights.

    Where a tone above 1 kHz may sound it also hears the sound at half speed.

    Raises:
        BadInput: the file holds another network than torchfcpe's.
        MissingModel: neither file nor package.
    """

    def __init__(self, device: str = "cpu", file: Path | None = None) -> None:
        own = paths().predictors / "fcpe.pt"
        if file is None:
            file = own if own.is_file() else f0.packaged("torchfcpe", "assets", ASSET)
        self.device = torch.device(device)
        net, mel, cents = read(f0.read_weights(file), file)
        self.net = net.eval().requires_grad_(False).to(self.device)
        low_hz, high_hz = float(mel["fmin"]), float(mel["fmax"])
        bank = mel_bank(contour.RATE, N_FFT, int(mel["num_mels"]), low_hz, high_hz)
        self.bank = torch.from_numpy(bank).float().to(self.device)
        self.window = torch.hann_window(N_FFT, device=self.device)
        self.cents = cents.double().numpy()
        self.told = False  # of the empty low band, which is said once

    def lifted(self, wave: np.ndarray, first: int, last: int) -> torch.Tensor:
        """First convolution over frames [first, last) of the wave (T,) -> (1, C, last - first).

        Zero padding is added only where the recording itself ends.
        """
        frames = contour.frame_count(len(wave))
        left, right = max(0, first - 1), min(frames, last + 1)
        x: torch.Tensor = self.net.lift(self._mel(wave, left, right))
        return x[:, :, first - left : first - left + last - first]

    def _mel(self, wave: np.ndarray, first: int, last: int) -> torch.Tensor:
        whole = max(1, len(wave) // contour.HOP)  # the frame at the very end repeats the last one
        start, stop = (
            first * contour.HOP - LEAD,
            (min(last, whole) - 1) * contour.HOP - LEAD + N_FFT,
        )
        start = min(start, stop - N_FFT)
        part = contour.samples(wave, start, stop, reflect=len(wave) > LEAD)
        spectrum = torch.stft(
            torch.from_numpy(part).to(self.device)[None],
            N_FFT,
            contour.HOP,
            window=self.window,
            center=False,
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        mel = torch.log(torch.clamp(self.bank @ torch.sqrt(power + 1e-9), min=1e-5))
        return F.pad(mel, (0, last - first - mel.shape[-1]), mode="replicate")

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (T // 160 + 1,) float32 in Hz, 0 where unvoiced."""
        f0_hz, _ = self.heard(wave_16k)
        if not self.told and lacks_fundamental(wave_16k, f0_hz):
            self.told = True
            LOG.warning(LOW_BAND)
        for first, last in stretches(wave_16k):
            begin, end = ((t * contour.HOP) for t in (first - AROUND, last + AROUND))
            slow = resample(contour.samples(wave_16k, begin, end), 1, 2)
            hz, sure = (x[2 * AROUND : 2 * (AROUND + last - first) : 2] for x in self.heard(slow))
            higher = (sure > SURE) & (2 * hz > DEAF_HZ)
            f0_hz[first:last] = np.where(higher, 2 * hz, f0_hz[first:last])
        return contour.finish(f0_hz, wave_16k)

    @torch.inference_mode()
    def heard(self, wave_16k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T,) at 16 kHz -> pitch in Hz and highest salience, (T // 160 + 1,) each."""
        frames = contour.frame_count(len(wave_16k))
        f0_hz, sure = np.zeros((2, frames), np.float32)
        pieces = list(contour.spans(frames, BLOCK, self.net.context))
        mean, deviation = self._statistics(wave_16k, frames, pieces)
        for span in pieces:
            lifted = self.lifted(wave_16k, span.first, span.last)
            salience = self.net.rest(lifted, mean, deviation)[0, span.keep].float().cpu().numpy()
            f0_hz[span.start : span.stop] = self.decode(salience)
            sure[span.start : span.stop] = salience.max(axis=1)
        return f0_hz, sure

    def _statistics(
        self, wave: np.ndarray, frames: int, pieces: list[contour.Span]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation (groups,) of the first convolution over the whole recording."""
        total = torch.zeros(2, GROUPS, dtype=torch.float64)
        exact = torch.float32 if self.device.type == "mps" else torch.float64  # all that has
        count = 0
        for span in pieces:
            x = self.lifted(wave, span.start, span.stop).to(exact)
            x = x.reshape(GROUPS, -1, x.shape[2])
            total += torch.stack([x.sum((1, 2)), x.square().sum((1, 2))]).cpu()
            count += x[0].numel()
        mean, square = total / count
        deviation = torch.sqrt((square - mean.square()).clamp(min=0) + 1e-5)
        return mean.float().to(self.device), deviation.float().to(self.device)

    def decode(self, salience: np.ndarray) -> np.ndarray:
        """(T, P) -> Hz: mean of the nine bins around the highest, weighted; 0 where unvoiced."""
        around = salience.argmax(axis=1)[:, None] + np.arange(-4, 5)
        around = np.clip(around, 0, salience.shape[1] - 1)
        mass = np.take_along_axis(salience, around, axis=1).astype(np.float64)
        cents = (mass * self.cents[around]).sum(axis=1) / np.maximum(mass.sum(axis=1), 1e-12)
        voiced = salience.max(axis=1) > VOICED_ABOVE
        return np.where(voiced, 10.0 * 2.0 ** (cents / 1200.0), 0.0)


def stretches(wave: np.ndarray) -> list[tuple[int, int]]:
    """(T,) at 16 kHz -> [first, last) frames of 10 ms where one tone rules 1000 to 2100 Hz.

    And where there is less below: a vowel has harmonics there, a consonant has no tone.
    """
    frames = contour.frame_count(len(wave))
    parts = [_open(wave, t, min(frames, t + BLOCK)) for t in range(0, frames, BLOCK)]
    opened = np.flatnonzero(np.concatenate(parts))
    runs = np.split(opened, np.flatnonzero(np.diff(opened) > BRIDGE) + 1)
    return [
        (first, min(first + BLOCK, int(run[-1]) + 1))
        for run in runs
        if len(run) and run[-1] - run[0] + 1 >= SHORTEST
        for first in range(int(run[0]), int(run[-1]) + 1, BLOCK)
    ]


def _open(wave: np.ndarray, first: int, last: int) -> np.ndarray:
    """Frames [first, last) -> (last - first,) bool."""
    half = N_FFT // 2
    part = contour.samples(wave, first * contour.HOP - half, (last - 1) * contour.HOP + half)
    windows = np.lib.stride_tricks.sliding_window_view(part, N_FFT)[:: contour.HOP]
    spectrum = np.fft.rfft(windows * np.hanning(N_FFT).astype(np.float32), axis=1)
    power = np.square(np.abs(spectrum[:, : BAND.stop]))
    band = power[:, BAND]
    tone = np.lib.stride_tricks.sliding_window_view(band, WIDTH, axis=1).sum(axis=2).max(axis=1)
    total = band.sum(axis=1)
    opened: np.ndarray = (tone > SHARE * total) & (power[:, LOW].sum(axis=1) < total)
    return opened


def lacks_fundamental(wave: np.ndarray, f0_hz: np.ndarray) -> bool:
    """Tell the voices that FCPE takes for an octave higher: their fundamental was filtered out.

    Args:
        wave: (T,) at 16 kHz. f0_hz: (T // 160 + 1,) what FCPE hears in it.

    Returns:
        Whether the low band is empty, and there are partials halfway between the supposed ones.
    """
    at = np.flatnonzero(f0_hz > 0)[::CHECKED]
    half = N_FFT // 2
    low = total = doubted = 0.0
    for first in range(0, len(at), BLOCK):
        part = at[first : first + BLOCK]
        centres = part * contour.HOP
        frames = np.stack([contour.samples(wave, c - half, c + half) for c in centres])
        power = np.square(np.abs(np.fft.rfft(frames * np.hanning(N_FFT), axis=1)))
        low += power[:, LOWEST].sum()
        total += power[:, LOWEST.start : half // 2].sum()
        halves = np.arange(2, 8) * f0_hz[part, None] * (N_FFT / contour.RATE / 2)
        bins = np.rint(halves).astype(int)[..., None] + np.arange(-1, 2)
        peaks = np.take_along_axis(power[:, None], np.clip(bins, 0, half), axis=2).max(axis=2)
        doubted += (peaks[:, 1::2].max(axis=1) > 0.1 * peaks[:, ::2].max(axis=1)).sum()
    return bool(low < FAINT * total and doubted > DOUBTED * len(at))
