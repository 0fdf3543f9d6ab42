"""Networks as graphs for onnxruntime, which runs them faster than torch on a CPU.

A graph is made once (rvc.onnx.build exports it, rvc.onnx.packing lays it out and compares it
with the network, each in a process of its own) and kept in the cache under a name made of the
contents of the weights. Its weights are mapped from the file as the processor wants them, not
copied. Without a graph, or where anything about it fails, torch does the work.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rvc import memory, processes
from rvc.config import paths
from rvc.hub import cache
from rvc.onnx.packing import IMPOSSIBLE
from rvc.onnx.runtime import given_back, session

LOG = logging.getLogger(__name__)
OPSET = 17
FORMAT = 4  # of what is written; a change makes older graphs unused
LIMIT_BYTES = 3 << 30  # of the whole cache
OFF = "RVC_NO_GRAPHS"  # environment variable that switches graphs off
MAKING_S = 900  # longest time a step of making one is given


@dataclass(frozen=True)
class Order:
    """Which graph is wanted.

    Attributes:
        kind: a name in rvc.onnx.build.RECIPES and the first part of the file's name.
        given: what the recipe needs, as plain values.
        contents: what the weights are, in words or digests.
    """

    kind: str
    given: dict[str, Any]
    contents: Sequence[str]

    @property
    def file(self) -> Path:
        import onnxruntime

        versions = [FORMAT, OPSET, torch.__version__, onnxruntime.__version__, _processor()]
        name = hashlib.sha256("\n".join(map(str, [*versions, *self.contents])).encode())
        return paths().cache / "graphs" / f"{self.kind}-{name.hexdigest()[:32]}.onnx"

    def dumps(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def loads(cls, text: str) -> Order:
        return cls(**json.loads(text))


@lru_cache(maxsize=1)
def _processor() -> str:
    """What this processor can do: a graph is laid out for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        said = next(s for s in lines if s.lower().startswith(("flags", "features")))
    except (OSError, StopIteration):
        said = platform.processor()
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {said}"


class Graph(nn.Module):
    """A session that is called like the network it stands for.

    Args:
        threads: that work on one call; as many as torch uses where 0.
    """

    def __init__(self, file: Path, threads: int = 0) -> None:
        super().__init__()
        self.session = session(file, threads or torch.get_num_threads())
        self.names = [i.name for i in self.session.get_inputs()]
        self.notes: dict[str, str] = self.session.get_modelmeta().custom_metadata_map

    def forward(self, *inputs: Tensor) -> Tensor:
        given = {
            n: np.ascontiguousarray(x.numpy()) for n, x in zip(self.names, inputs, strict=True)
        }
        return torch.from_numpy(self.session.run(None, given, given_back())[0])


def load(order: Order, threads: int = 0) -> Graph | None:
    """The graph from the cache, or a new one; None where it cannot be had or switched off."""
    if os.environ.get(OFF):
        return None
    try:
        if order.file.with_suffix(".never").exists():
            return None
        import onnxruntime.capi.onnxruntime_pybind11_state as errors

        failures: tuple[type[Exception], ...] = tuple(
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, Exception)
        ) + (ImportError, OSError, RuntimeError, ValueError, subprocess.TimeoutExpired)
    except ImportError as error:
        LOG.debug("No graphs: %s", error)
        return None
    try:
        return _cached(order, threads) or _made(order, threads)
    except failures as error:
        LOG.warning("The %s runs without a graph: %.300s", order.kind, error)
        return None


def _cached(order: Order, threads: int) -> Graph | None:
    file = order.file
    if not file.is_file():
        return None
    try:
        graph = Graph(file, threads)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is made anew
        LOG.warning("%s is damaged and made anew: %s", file, error)
        file.unlink(missing_ok=True)
        return None
    cache.used(file)
    return graph


def _made(order: Order, threads: int) -> Graph:
    """Have it made by other processes, whose memory goes back to the system."""
    LOG.info("Preparing the %s for this processor (once).", order.kind)
    order.file.parent.mkdir(parents=True, exist_ok=True)
    memory.release_freed()  # both processes lie in memory now
    with tempfile.TemporaryDirectory(prefix=cache.PART, dir=order.file.parent) as folder:
        _step(order, "build", order.dumps(), folder)
        _step(order, "packing", folder, str(order.file))
    cache.prune(order.file, LIMIT_BYTES)
    return Graph(order.file, threads)


def _step(order: Order, module: str, *arguments: str) -> None:
    done = processes.run(["-m", f"rvc.onnx.{module}", *arguments], MAKING_S)
    if done.returncode == IMPOSSIBLE:
        order.file.with_suffix(".never").touch()
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"code {done.returncode}")
