"""Small parts of every network here: normalised convolutions, noise, WaveNet stacks, phases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from rvc.nets.config import VoiceSettings

SLOPE = 0.1
Module = TypeVar("Module", bound=nn.Module)


class Noise:
    """Where a network's random numbers come from, so that a conversion can be repeated.

    Args:
        generator: None takes torch's global generator (of the tensor's device).
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers of the shape, device and dtype of `like`."""
        return torch.randn(
            like.shape, generator=self.generator, device=like.device, dtype=like.dtype
        )

    def uniform(self, like: Tensor) -> Tensor:
        """Numbers in 0..1 of the shape, device and dtype of `like`."""
        return torch.rand(
            like.shape, generator=self.generator, device=like.device, dtype=like.dtype
        )


class ZeroNoise(Noise):
    """Every random number is zero: the output depends on the input alone."""

    def normal(self, like: Tensor) -> Tensor:
        return torch.zeros_like(like)

    def uniform(self, like: Tensor) -> Tensor:
        return torch.zeros_like(like)


GLOBAL_NOISE = Noise()


class Blank(TorchFunctionMode):
    """Inside it networks are built without first values, for weights that come from a file.

    No time goes into random numbers, none are drawn from the global generator, and on the meta
    device torch does not load its compiler (1.3 s, 70 MB) to draw them.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.__name__ in FIRST_VALUES:
            return args[0] if args else (kwargs or {})["tensor"]
        if func is torch.norm_except_dim:  # of weight norm: the length of each row
            return torch.empty(len(args[0]), *[1] * (args[0].ndim - 1))
        return func(*args, **(kwargs or {}))


FIRST_VALUES = {
    f"{kind}_"
    for kind in ("normal", "uniform", "kaiming_uniform", "xavier_uniform", "constant", "zeros")
} | {"_weight_norm"}


def normed(layer: Module) -> Module:
    """Weight normalisation over dimension 0 (files spell it weight_g, weight_v)."""
    weight_norm(layer)
    return layer


def conv1d(
    inputs: int, outputs: int, kernel: int, dilation: int = 1, spread: float | None = 0.01
) -> nn.Conv1d:
    """Weight-normed convolution that keeps the length; `spread` is the initial deviation."""
    layer = nn.Conv1d(
        inputs, outputs, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2
    )
    if spread is not None:
        nn.init.normal_(layer.weight, 0.0, spread)
    return normed(layer)


def fold_weight_norm(net: Module) -> Module:
    """Turn every normalised weight into a plain one, in place; for inference only."""
    for module in net.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return net


def maybe_checkpointed(active: bool, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Run `function`, keeping no activations for the backward pass when `active`."""
    if active and torch.is_grad_enabled():
        out: Tensor = checkpoint(function, *inputs, use_reentrant=False)
        return out
    return function(*inputs)


class _Leaky(torch.autograd.Function):
    """Keeps its result for the backward pass, which the next layer keeps anyway, not its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        y = F.leaky_relu(x, slope)
        ctx.save_for_backward(y)
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(grads[0], y, ctx.slope, True), None


def leaky(x: Tensor, slope: float = SLOPE) -> Tensor:
    """Leaky ReLU; in training it does not keep `x` alive."""
    if torch.is_grad_enabled() and x.requires_grad:
        out: Tensor = _Leaky.apply(x, slope)  # type: ignore[no-untyped-call]
        return out
    return F.leaky_relu(x, slope)


def sequence_mask(lengths: Tensor, longest: int) -> Tensor:
    """(B,) lengths -> (B, 1, longest) of ones and zeros, float32."""
    positions = torch.arange(longest, device=lengths.device)
    return (positions[None, :] < lengths[:, None]).float()[:, None, :]


def slices(x: Tensor, starts: Tensor, size: int) -> Tensor:
    """Cut (B, C, T) at one start per item into (B, C, size)."""
    positions = starts[:, None] + torch.arange(size, device=x.device)[None, :]
    return torch.gather(x, 2, positions[:, None, :].expand(-1, x.shape[1], -1))


class WaveNet(nn.Module):
    """Gated convolutions with residual and skip paths, conditioned on the speaker.

    Args:
        width: channels H.
        depth: number of layers.
        speaker_width: channels G of the condition; 0 = none.
    """

    def __init__(self, width: int, kernel: int, depth: int, speaker_width: int) -> None:
        super().__init__()
        self.width, self.depth = width, depth
        self.in_layers = nn.ModuleList(
            conv1d(width, 2 * width, kernel, spread=None) for _ in range(depth)
        )
        self.res_skip_layers = nn.ModuleList(
            conv1d(width, width if i == depth - 1 else 2 * width, 1, spread=None)
            for i in range(depth)
        )
        if speaker_width:
            self.cond_layer = conv1d(speaker_width, 2 * width * depth, 1, spread=None)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor | None = None) -> Tensor:
        """(B, H, T), (B, 1, T), (B, G, 1) -> (B, H, T)."""
        total = torch.zeros_like(x)
        conditions = None if g is None else self.cond_layer(g).chunk(self.depth, dim=1)
        for i, (into, out) in enumerate(zip(self.in_layers, self.res_skip_layers, strict=True)):
            a = into(x) if conditions is None else into(x) + conditions[i]
            left, right = a.chunk(2, dim=1)
            y = out(torch.tanh(left) * torch.sigmoid(right))
            if i < self.depth - 1:
                residual, y = y.chunk(2, dim=1)
                x = (x + residual) * mask
            total = total + y
        return total * mask


class ResBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair around a residual path.

    Args:
        slope: of the leaky ReLU before each convolution.
    """

    def __init__(
        self, channels: int, kernel: int, dilations: tuple[int, ...], slope: float = SLOPE
    ) -> None:
        super().__init__()
        self.slope = slope
        self.convs1 = nn.ModuleList(conv1d(channels, channels, kernel, d) for d in dilations)
        self.convs2 = nn.ModuleList(conv1d(channels, channels, kernel) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            y = dilated(leaky(x, self.slope))
            x = x + plain(leaky(y, self.slope))
        return x


def resblock_reach(kernel: int, dilations: tuple[int, ...]) -> int:
    """Samples on each side that a ResBlock's output depends on."""
    return (kernel - 1) // 2 * (sum(dilations) + len(dilations))


def hold(x: Tensor, times: int) -> Tensor:
    """Repeat every value: (B, T) -> (B, T * times)."""
    return x[:, :, None].expand(-1, -1, times).flatten(1)


def frame_phase(f0: Tensor, hop: int, sample_rate: int) -> Tensor:
    """Phase in turns when the pitch stands still within a frame: (B, T) Hz -> (B, T * hop).

    Whole turns are dropped at every frame, so that long sounds keep their precision.
    """
    inside = torch.arange(1, hop + 1, device=f0.device, dtype=f0.dtype)
    step = f0[:, :, None] / sample_rate
    after = torch.fmod(step[:, :-1, -1] * hop + 0.5, 1.0) - 0.5
    before = F.pad(sum_of_turns(after), (1, 0))
    return (step * inside + before[:, :, None]).flatten(1)


def sum_of_turns(steps: Tensor) -> Tensor:
    """Running sum (B, T) without its whole turns; in double precision where the device has it."""
    wide = torch.float32 if steps.device.type == "mps" else torch.float64
    return torch.fmod(steps.to(wide).cumsum(1), 1.0).to(steps.dtype)


def reach_frames(settings: VoiceSettings, begun: int = 0) -> int:
    """Latent frames on each side of a sample that can change it after `begun` stages."""
    reach, rate = 3.0 / settings.hop_length, 1
    widest = max(settings.resblock_kernel_sizes, default=1)
    dilations = max(settings.resblock_dilation_sizes, key=sum)
    stages = zip(settings.upsample_rates, settings.upsample_kernel_sizes, strict=True)
    for i, (times, kernel) in enumerate(stages):
        after = rate * times
        if i >= begun:
            reach += (kernel / times) / rate + resblock_reach(widest, dilations) / after
        rate = after
    return math.ceil(reach if begun else reach + 3.0) + 1


class Decoder(nn.Module):
    """What every decoder offers: `source`, `forward`, and a stated reach.

    Subclasses are found through `rvc.nets.VOCODERS`; their constructor takes
    (settings, use_f0) and their state-dict keys are those of the public files.

    Attributes:
        checkpointing: keep no activations in training; slower, less memory.
        context_frames: latent frames on each side that a block needs, so that decoding in
            blocks gives what decoding at once gives.
        needs_f0: it cannot be built for voices without pitch.
        harmonics: tones of its source beside the fundamental.
        stages: that raise the rate one after another (`rvc.nets.hifigan.Staged`); 0 of others.
        drawn: (channels, numbers per frame) of each noise map that its layers add, in order.
    """

    needs_f0 = True
    harmonics = 0
    stages = 0

    def __init__(self, settings: VoiceSettings) -> None:
        super().__init__()
        self.hop = settings.hop_length
        self.checkpointing = False
        self.context_frames = reach_frames(settings)
        self.drawn: list[tuple[int, int]] = []

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        """Excitation of a whole recording: (B, T) Hz -> (B, 1, T * hop)."""
        raise NotImplementedError

    def forward(
        self,
        z: Tensor,
        f0: Tensor | None = None,
        g: Tensor | None = None,
        source: Tensor | None = None,
        noise: Noise = GLOBAL_NOISE,
    ) -> Tensor:
        """Latent (B, I, T), pitch (B, T) Hz, speaker (B, G, 1) -> wave (B, 1, T * hop).

        A given `source` (B, 1, T * hop) is taken instead of a new one made from `f0`.
        """
        raise NotImplementedError

    def for_export(self) -> Decoder:
        """The same decoder in operations that ONNX has."""
        return self

    def _source(self, f0: Tensor | None, source: Tensor | None, noise: Noise) -> Tensor:
        if source is not None:
            return source
        if f0 is None:
            raise ValueError("This decoder needs f0 or source.")
        return self.source(f0, noise)
