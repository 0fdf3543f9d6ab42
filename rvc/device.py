"""Decides once where the numbers are crunched and in which precision, and says why."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rvc.config import load_settings
from rvc.errors import BadInput, Mismatch

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
Precision = Literal["auto", "fp32", "fp16", "bf16"]
Part = Literal["convert", "features", "train"]


@dataclass(frozen=True)
class Device:
    """A choice that was made.

    Attributes:
        device: the (first) torch device.
        dtype: dtype the networks compute in; norms stay float32 whatever it is.
        why: one sentence for headers and logs.
        tf32: whether float32 products may use the GPU's 10-bit mantissa.
        numbers: GPU numbers in use, empty on the CPU.
    """

    device: torch.device
    dtype: torch.dtype
    why: str
    numbers: tuple[int, ...] = ()
    tf32: bool = False

    @property
    def name(self) -> str:
        return str(self.device)


def choose(gpu: str = "auto", precision: Precision = "auto", part: Part = "convert") -> Device:
    """The device and dtype for one part of the program.

    Args:
        gpu: "auto", "-" for the CPU, or GPU numbers joined by dashes.
        precision: "auto" takes the saved setting, or the safest fast one where that is "auto".
        part: training profits from bf16 most, conversion is as good in TF32 (-70 dB, see
            docs/gpu.md), and features stay exact unless asked.

    Raises:
        Mismatch: a GPU was asked for by number and cannot be used.
    """
    import torch

    kind, numbers, why = _place(gpu)
    device = torch.device(kind, numbers[0]) if numbers and kind != "mps" else torch.device(kind)
    asked = load_settings().precision if precision == "auto" else precision
    dtype, because = _dtype(device, asked, part)
    tf32 = asked == "auto" and part == "convert" and device.type == "cuda"
    if tf32 and (tf32 := torch.cuda.get_device_capability(device) >= (8, 0)):
        because = "TF32, as nobody asked for exactness"
    return Device(device, dtype, f"{why}; {because}", numbers, tf32)


def machine() -> str:
    """A mark of this machine, so that what was measured on another is not taken for its own."""
    said = f"{platform.node()} {platform.machine()} {os.cpu_count()}"
    return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()


def place(gpu: str) -> str:
    """A name that two choices of a GPU share where they mean the same device; loads no torch.

    Where torch is built for the CPU alone that is every choice.
    """
    return "cpu" if gpu == "-" or _built_for_cpu() else gpu


@lru_cache(maxsize=1)
def _built_for_cpu() -> bool:
    """Whether this torch can use no GPU, told by the facts of its build."""
    found = find_spec("torch")
    if sys.platform == "darwin" or found is None or found.origin is None:
        return False
    facts = Path(found.origin).with_name("version.py")
    if not facts.is_file():
        return False
    built = re.findall(r"^(cuda|hip|xpu)\b.*= *(.+)$", facts.read_text(), re.MULTILINE)
    return bool(built) and all(value.strip() == "None" for _, value in built)


def _place(gpu: str) -> tuple[str, tuple[int, ...], str]:
    if gpu == "-":
        return "cpu", (), "CPU: as asked"
    kind, count, reason = _accelerator()
    if gpu == "auto":
        if kind == "cpu":
            return "cpu", (), f"CPU: {reason}"
        return kind, (0,), f"{kind.upper()}: {reason}"
    try:
        numbers = tuple(int(n) for n in gpu.split("-"))
    except ValueError:
        raise BadInput(
            f"{gpu!r} is not a GPU choice.", "Use auto, - for the CPU, or numbers such as 0 or 0-1."
        ) from None
    if kind == "cpu":
        raise Mismatch(
            f"GPU {gpu} was asked for and cannot be used: {reason}.",
            "Use --gpu auto to take whatever there is, or --gpu - for the CPU.",
        )
    if max(numbers) >= count:
        raise Mismatch(
            f"GPU {max(numbers)} does not exist: this machine has {count}, numbered from 0.",
            "Choose another number.",
        )
    return kind, numbers, f"{kind.upper()}: GPU {gpu} as asked, {reason}"


def _accelerator() -> tuple[str, int, str]:
    """(torch device type, how many, a few words about it or why there is none)."""
    import torch

    if torch.cuda.is_available():
        return _cuda()
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        return "xpu", torch.xpu.device_count(), torch.xpu.get_device_name(0)
    if torch.backends.mps.is_available():
        return "mps", 1, "Apple GPU"
    if torch.version.cuda is None and torch.version.hip is None:
        return "cpu", 0, "torch is a CPU build"
    return "cpu", 0, "torch sees no GPU (driver missing, too old, or the GPU is hidden)"


def _cuda() -> tuple[str, int, str]:
    import torch

    name = torch.cuda.get_device_name(0)
    major, minor = torch.cuda.get_device_capability(0)
    if not has_code_for(major, minor, torch.cuda.get_arch_list()):
        return "cpu", 0, f"this torch build has no code for {name} (sm_{major}{minor})"
    return "cuda", torch.cuda.device_count(), name


def has_code_for(major: int, minor: int, architectures: list[str]) -> bool:
    """Whether a build of torch for these CUDA architectures runs on a GPU of this capability."""
    built = [a for a in architectures if a.startswith(("sm_", "compute_"))]
    known = [int("".join(c for c in a.split("_")[1] if c.isdigit())) for a in built]
    able = not known or any(k // 10 == major and k % 10 <= minor for k in known)
    return able or any(a.startswith("compute_") for a in built)


def _dtype(device: torch.device, asked: str, part: Part) -> tuple[torch.dtype, str]:
    import torch

    if asked == "fp32":
        return torch.float32, "fp32 as asked"
    if device.type == "cpu":
        return _cpu_dtype(asked)
    if asked == "fp16":
        return torch.float16, "fp16 as asked"
    able = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    if asked == "bf16":
        if able:
            return torch.bfloat16, "bf16 as asked"
        log.warning("This GPU has no bf16; fp32 is used instead.")
        return torch.float32, "fp32 because this GPU has no bf16"
    if part == "train" and able and device.type != "mps":
        return torch.bfloat16, "bf16 because this GPU has it"
    return torch.float32, "fp32 is exact and fast enough here"


def _cpu_dtype(asked: str) -> tuple[torch.dtype, str]:
    import torch

    if asked == "fp16":
        log.warning("fp16 was asked for on the CPU, which is slow or impossible there: fp32 it is.")
        return torch.float32, "fp32 because a CPU has no fast fp16"
    if asked == "bf16":
        if bf16_is_faster_on_cpu():
            return torch.bfloat16, "bf16 as asked (measured faster on this CPU)"
        log.warning("bf16 was asked for on the CPU, which is no faster there: fp32 it is.")
        return torch.float32, "fp32 because bf16 is no faster on this CPU"
    return torch.float32, "fp32"


@lru_cache(maxsize=1)
def bf16_is_faster_on_cpu() -> bool:
    """Measure (about 0.1 s, once): a matrix product and a convolution in bf16 against fp32."""
    import torch

    def seconds(dtype: torch.dtype) -> float:
        a = torch.ones(512, 768, dtype=dtype)
        b = torch.ones(768, 768, dtype=dtype)
        x = torch.ones(1, 128, 800, dtype=dtype)
        w = torch.ones(128, 128, 7, dtype=dtype)
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            _ = a @ b
            torch.nn.functional.conv1d(x, w)
            best = min(best, time.perf_counter() - start)
        return best

    with torch.inference_mode():
        return seconds(torch.bfloat16) < 0.9 * seconds(torch.float32)


def describe() -> dict[str, object]:
    """What `doctor` and the header of the pages show about this machine."""
    import torch

    kind, count, reason = _accelerator()
    return {
        "torch": torch.__version__,
        "device": kind,
        "gpus": count,
        "reason": reason,
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "architectures": torch.cuda.get_arch_list() if kind == "cuda" else [],
    }


def use_kernels(device: torch.device, tf32: bool = False, tuned: bool = False) -> None:
    """Say how the libraries of a CUDA device compute from now on; changes nothing elsewhere.

    Args:
        tf32: let float32 products use the GPU's faster, 10-bit mantissa.
        tuned: try every kernel on each new shape, which pays in a training.
    """
    import torch

    if device.type == "cuda":
        torch.backends.cudnn.benchmark = tuned
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
