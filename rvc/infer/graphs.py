"""Networks as graphs for onnxruntime, which runs them faster than torch on a CPU.

A graph is exported once (rvc.infer.exporting, in a process of its own), compared with the network,
and kept in the cache under a name made of the contents of the weights. Its weights are mapped from
the file as the processor wants them, not copied. Without a graph, or where anything about it
fails, torch does the work.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rvc.config import REPOSITORY, paths
from rvc.device import tidy
from rvc.hub import cache

LOG = logging.getLogger(__name__)
OPSET = 17
FORMAT = 4  # of what is written; a change makes older graphs unused
LIMIT_BYTES = 3 << 30  # of the whole cache
OFF = "RVC_NO_GRAPHS"  # environment variable that switches graphs off
IMPOSSIBLE = 3  # exit code of the process that makes one: trying again will not help
MAKING_S = 900  # longest time one is given to be made


@dataclass(frozen=True)
class Order:
    """Which graph is wanted.

    Attributes:
        kind: a name in rvc.infer.preparing.RECIPES and the first part of the file's name.
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
        self.session = session(file, threads=threads)
        self.names = [i.name for i in self.session.get_inputs()]
        self.notes: dict[str, str] = self.session.get_modelmeta().custom_metadata_map

    def forward(self, *inputs: Tensor) -> Tensor:
        given = {
            n: np.ascontiguousarray(x.numpy()) for n, x in zip(self.names, inputs, strict=True)
        }
        return torch.from_numpy(self.session.run(None, given, _given_back())[0])


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
    """Have it made by another process, whose memory goes back to the system."""
    LOG.info("Preparing the %s for this processor (once).", order.kind)
    order.file.parent.mkdir(parents=True, exist_ok=True)
    tidy()  # both processes lie in memory now
    done = subprocess.run(
        [sys.executable, "-m", "rvc.infer.preparing", order.dumps()],
        cwd=REPOSITORY,
        env=dict(os.environ) | {"RVC_HOME": str(paths().root.resolve())},
        capture_output=True,
        timeout=MAKING_S,
        check=False,
    )
    if done.returncode == IMPOSSIBLE:
        order.file.with_suffix(".never").touch()
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"code {done.returncode}")
    return Graph(order.file, threads)


@lru_cache(maxsize=1)
def _given_back() -> Any:
    """Options of a run after which working memory goes back to the system.

    Otherwise pieces of different lengths leave ever more holes in it.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


@lru_cache(maxsize=1)
def _shared_memory() -> None:
    """One pool of working memory for all graphs, which grows by no more than is asked for."""
    import onnxruntime as ort

    kind = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    same_as_requested = {
        "max_mem": 0,
        "arena_extend_strategy": 1,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    ort.create_and_register_allocator(kind, ort.OrtArenaCfg(same_as_requested))


def session(file: Path, optimised: Path | None = None, threads: int = 0) -> Any:
    """An onnxruntime session of a graph in the cache.

    Args:
        optimised: the file is fresh from the exporter: optimise it and write the result here,
            its weights beside it.
    """
    import onnxruntime

    _shared_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # lengths differ from call to call
    entries = {
        "session.use_env_allocators": "1",
        "session.intra_op.allow_spinning": "0",  # be a good neighbour
    }
    if optimised is None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    else:
        options.optimized_model_filepath = str(optimised)
        kept = "session.optimized_model_external_initializers"
        entries[f"{kept}_file_name"] = optimised.with_suffix(".data").name
        entries[f"{kept}_min_size_in_bytes"] = "1024"
        entries["session.save_external_prepacked_constant_initializers"] = "1"
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
