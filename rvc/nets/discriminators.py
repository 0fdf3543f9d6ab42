"""What a voice is trained against: discriminators of the wave, its periods, its spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nets import DISCRIMINATORS
from rvc.nets.layers import leaky, maybe_checkpointed, normed


class Discriminator(nn.Module):
    """Convolutions with a leaky ReLU after each, then `conv_post`; keeps every map.

    Subclasses fill `convs` and `conv_post`, and lay the wave out in `prepare`.
    """

    convs: nn.ModuleList
    conv_post: nn.Module
    checkpointing = False

    def prepare(self, wave: Tensor) -> Tensor:
        """(B, 1, N) -> what the first convolution takes."""
        return wave

    def _layer(self, i: int, x: Tensor) -> Tensor:
        return leaky(self.convs[i](x))

    def shown(self, x: Tensor) -> Tensor:
        """A layer's output as a map (B, C, ...)."""
        return x

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, N) -> verdicts (B, n) and the maps of every layer, `conv_post`'s included."""
        x, maps = self.prepare(wave), []
        for i in range(len(self.convs)):
            x = maybe_checkpointed(self.checkpointing, lambda y, i=i: self._layer(i, y), x)
            maps.append(self.shown(x))
        maps.append(self.shown(self.conv_post(x)))
        return maps[-1].flatten(1), maps


class Column(nn.Conv2d):
    """A convolution whose kernel is one sample wide; items of width one may come flat (B, C, T)."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 4:
            return super().forward(x)
        return F.conv1d(x, self.weight.squeeze(3), self.bias, self.stride[:1], self.padding[:1])


class Scale(Discriminator):
    """Judges the wave itself with grouped, strided convolutions."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [  # inputs, outputs, kernel, stride, groups
            (1, 16, 15, 1, 1),
            (16, 64, 41, 4, 4),
            (64, 256, 41, 4, 16),
            (256, 1024, 41, 4, 64),
            (1024, 1024, 41, 4, 256),
            (1024, 1024, 5, 1, 1),
        ]
        self.convs = nn.ModuleList(
            normed(nn.Conv1d(a, b, k, s, padding=k // 2, groups=groups))
            for a, b, k, s, groups in shapes
        )
        self.conv_post = normed(nn.Conv1d(1024, 1, 3, padding=1))


class Period(Discriminator):
    """Judges every p-th sample together.

    The kernels see one phase only. With two of them, rows of two samples would be too narrow for
    a CPU's vectors, so the phases become items of the batch and the convolutions flat.
    """

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        self.flat = period == 2
        widths = [1, 32, 128, 512, 1024, 1024]
        self.convs = nn.ModuleList(
            normed(Column(a, b, (5, 1), (3 if i < 4 else 1, 1), padding=(2, 0)))
            for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.conv_post = normed(Column(1024, 1, (3, 1), padding=(1, 0)))

    def prepare(self, wave: Tensor) -> Tensor:
        """(B, 1, N) -> (B, 1, ceil(N / p), p); flat: (B * p, 1, ceil(N / p))."""
        missing = -wave.shape[-1] % self.period
        if missing:
            wave = F.pad(wave, (0, missing), mode="reflect")
        rows = wave.unflatten(2, (-1, self.period))
        out: Tensor = rows.permute(0, 3, 1, 2).flatten(0, 1) if self.flat else rows
        return out

    def shown(self, x: Tensor) -> Tensor:
        """(B, C, n, p), whatever the layout."""
        return x.unflatten(0, (-1, self.period)).permute(0, 2, 3, 1) if self.flat else x


class Resolution(Discriminator):
    """Judges a magnitude spectrogram with a rectangular window."""

    def __init__(self, n_fft: int, hop: int, window: int) -> None:
        super().__init__()
        self.n_fft, self.hop, self.window = n_fft, hop, window
        self.convs = nn.ModuleList(
            normed(nn.Conv2d(a, 32, (3, k), (1, s), padding=(1, k // 2)))
            for a, k, s in [(1, 9, 1), (32, 9, 2), (32, 9, 2), (32, 9, 2), (32, 3, 1)]
        )
        self.conv_post = normed(nn.Conv2d(32, 1, 3, padding=1))

    def prepare(self, wave: Tensor) -> Tensor:
        """(B, 1, N) -> (B, 1, n_fft / 2 + 1, N / hop)."""
        padding = (self.n_fft - self.hop) // 2
        wave = F.pad(wave.float(), (padding, padding), mode="reflect")[:, 0]
        box = torch.ones(self.window, device=wave.device)
        spectrum = torch.stft(
            wave, self.n_fft, self.hop, self.window, box, center=False, return_complex=True
        )
        return spectrum.abs()[:, None]


class Spectral(Discriminator):
    """Judges a log-magnitude spectrogram with few channels: a fraction of the others' cost."""

    window: Tensor

    def __init__(self, n_fft: int, hop: int, channels: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        shapes = [(1, (2, 1)), (1, (2, 1)), (2, (2, 1)), (2, (2, 2)), (2, (1, 1))]
        wide = channels
        self.convs = nn.ModuleList()
        before = 1
        for times, stride in shapes:
            self.convs.append(normed(nn.Conv2d(before, times * wide, (5, 3), stride, (2, 1))))
            before = times * wide
        self.conv_post = normed(nn.Conv2d(before, 1, 3, padding=1))

    def prepare(self, wave: Tensor) -> Tensor:
        """(B, 1, N) -> (B, 1, n_fft / 2 + 1, N / hop)."""
        spectrum = torch.stft(
            wave[:, 0].float(), self.n_fft, self.hop, window=self.window, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return 0.5 * torch.log(power + 1e-6)[:, None]


class Discriminators(nn.Module):
    """All discriminators of one version, under the files' key names `discriminators.<i>.…`.

    Args:
        version: name in `rvc.nets.DISCRIMINATORS`: "v1", "v2", "v3", "lite".
    """

    def __init__(self, version: str = "v2") -> None:
        super().__init__()
        plan = DISCRIMINATORS[version]
        self.version = version
        self.discriminators = nn.ModuleList(
            [
                *([Scale()] if plan.scale else []),
                *(Period(p) for p in plan.periods),
                *(Resolution(*shape) for shape in plan.resolutions),
                *(Spectral(*shape) for shape in plan.spectral),
            ]
        )

    def set_checkpointing(self, active: bool) -> None:
        """Trade time for memory in training."""
        for discriminator in self.modules():
            if isinstance(discriminator, Discriminator):
                discriminator.checkpointing = active

    def forward(self, wave: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """(B, 1, N) -> every discriminator's verdicts (B, n) and maps."""
        pairs = [discriminator(wave) for discriminator in self.discriminators]
        return [verdict for verdict, _ in pairs], [maps for _, maps in pairs]
