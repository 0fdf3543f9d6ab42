"""PrecisionGuard: half precision never reaches an operator that cannot take it.

The failure this exists for: a LayerNorm handed half-precision input on a CPU, once per file, for
every file. Here norms stay float32, every layer casts what it is given to its own dtype, the
network's outputs come back as float32, and float16 does not exist on a CPU.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

log = logging.getLogger(__name__)

NORMS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._NormBase,  # batch and instance norms
    nn.RMSNorm,
    nn.LocalResponseNorm,
)
LAYERS = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase, nn.Bilinear, nn.PReLU)
HALVES = (torch.float16, torch.bfloat16)
IN_PLACE = re.compile(
    r"[^_].*[^_]_|__setitem__|__i(add|sub|mul|(true|floor)?div|mod|pow|and|x?or)__"
)


def allowed(dtype: torch.dtype, device: torch.device | str) -> torch.dtype:
    """The dtype that will really be used: float16 on a CPU becomes float32, said once per call."""
    if torch.device(device).type == "cpu" and dtype == torch.float16:
        log.warning("fp16 was asked for on the CPU: running in fp32.")
        return torch.float32
    return dtype


def guard(
    module: nn.Module,
    dtype: torch.dtype,
    device: torch.device | str,
    entries: tuple[str, ...] = ("forward",),
) -> nn.Module:
    """Move a network to a device and dtype so that it cannot fail for its precision.

    Norms, and modules that set `keep_fp32 = True` (phase accumulators, for one), stay float32 with
    all they contain. Every other layer casts its floating inputs to its own dtype, and what the
    network returns is float32. For inference; training uses `autocast`.

    Args:
        entries: methods by which the network is used, of a part of it as "part.method".
    """
    dtype = allowed(dtype, device)
    module.eval().to(device=device)
    if dtype not in HALVES:
        return module.float()
    for part in module.modules():
        _cast_own(part, dtype)
    cpu = torch.device(device).type == "cpu"
    kept = {id(m) for part in module.modules() if _keeps(part, cpu) for m in part.modules()}
    for part in module.modules():
        if id(part) in kept:
            _cast_own(part, torch.float32)
    _hook(module, dtype, kept, cpu)
    for name in entries:
        *parts, method = name.split(".")
        _wrap(module.get_submodule(".".join(parts)), method, torch.device(device))
    return module


def _keeps(part: nn.Module, cpu: bool) -> bool:
    named = type(part).__name__.endswith("Norm")
    known = isinstance(part, NORMS) or named or bool(getattr(part, "keep_fp32", False))
    return known or (cpu and _misgrouped(part))


def _misgrouped(part: nn.Module) -> bool:
    """Whether oneDNN may get a layer wrong in bfloat16: processors with AMX give noise for kernels
    of even length over groups whose width is not a multiple of 16."""
    if not isinstance(part, nn.modules.conv._ConvNd) or part.groups == 1:
        return False
    even = any(size % 2 == 0 for size in part.kernel_size)
    return even and int(part.in_channels) // int(part.groups) % 16 != 0


def _cast_own(part: nn.Module, dtype: torch.dtype) -> None:
    """Cast the tensors a module holds itself, in place, leaving integers and complex ones."""
    for tensor in [*part._parameters.values(), *part._buffers.values()]:
        if tensor is not None and tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)


def _hook(module: nn.Module, dtype: torch.dtype, kept: set[int], cpu: bool) -> None:
    for part in module.modules():
        if id(part) in kept:
            if _keeps(part, cpu):
                part.register_forward_pre_hook(_caster(torch.float32), with_kwargs=True)
                part.register_forward_hook(lambda _m, _i, out: cast(out, dtype))
        elif isinstance(part, LAYERS):
            part.register_forward_pre_hook(_caster(dtype), with_kwargs=True)


def _caster(dtype: torch.dtype) -> Callable[..., Any]:
    def before(_module: nn.Module, args: Any, kwargs: Any) -> Any:
        return cast(args, dtype), cast(kwargs, dtype)

    return before


def cast(value: Any, dtype: torch.dtype) -> Any:
    """Cast every floating tensor in nested tuples, lists and dicts; everything else is kept."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(cast(v, dtype) for v in value))
    if isinstance(value, (tuple, list)):
        return type(value)(cast(v, dtype) for v in value)
    if isinstance(value, dict):
        return {k: cast(v, dtype) for k, v in value.items()}
    return value


class HalfSafe(TorchFunctionMode):
    """Runs an operator again in float32 where the device has no half kernel for it.

    Raises:
        RuntimeError: such an operator was to write into a tensor of its caller: the result would
            go into a copy and be lost.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        try:
            return func(*args, **kwargs)
        except RuntimeError as error:
            half = _half_in((args, kwargs))
            if half is None or not _no_kernel(error):
                raise
            if _writes(func, kwargs):
                raise RuntimeError(
                    f"{_name(func)} has no half-precision kernel here and writes into its input: "
                    "use the form that returns its result."
                ) from error
            wide = func(*cast(args, torch.float32), **cast(kwargs, torch.float32))
            return cast(wide, half)


def _name(func: Any) -> str:
    return str(getattr(func, "__name__", func))


def _writes(func: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call changes a tensor it was given."""
    named = IN_PLACE.fullmatch(_name(func)) is not None
    return named or kwargs.get("out") is not None or bool(kwargs.get("inplace"))


def _no_kernel(error: RuntimeError) -> bool:
    text = str(error)
    named = any(n in text for n in ("Half", "BFloat16", "half", "bfloat16", "float16"))
    refused = ("not implemented", "nsupported", "only support", "not supported")
    return named and any(words in text for words in refused)


def _half_in(value: Any) -> torch.dtype | None:
    """The half dtype found among nested arguments."""
    if isinstance(value, Tensor):
        return value.dtype if value.dtype in HALVES else None
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return next((d for d in map(_half_in, value) if d is not None), None)
    return None


def _wrap(module: nn.Module, name: str, device: torch.device) -> None:
    """Return a method's results as float32; run it under HalfSafe where kernels may be missing.

    CUDA has a half kernel of everything used here, and a mode that sees every operator costs more
    than half precision saves.
    """
    method = getattr(module, name)

    def safe(*args: Any, **kwargs: Any) -> Any:
        with contextlib.nullcontext() if device.type == "cuda" else HalfSafe():
            return cast(method(*args, **kwargs), torch.float32)

    setattr(module, name, safe)


@contextlib.contextmanager
def autocast(device: torch.device | str, dtype: torch.dtype) -> Iterator[None]:
    """Mixed precision for training: nothing at float32, torch's autocast otherwise."""
    kind = torch.device(device).type
    dtype = allowed(dtype, device)
    with torch.autocast(kind, dtype=dtype, enabled=dtype in HALVES):
        yield
