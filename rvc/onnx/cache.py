"""Networks as graphs for onnxruntime, which runs them faster than torch on a CPU.

A graph is made once (rvc.onnx.build: exported, laid out and compared with the network, by
processes of their own) and kept in the cache under a name made of the contents of the weights.
Its weights are mapped from the file as the processor wants them, not copied. A file is written
once, by whoever holds the lock of its name, and never replaced while it is any good. Without a
graph, or where anything about it fails, torch does the work.
"""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rvc import memory, processes
from rvc.hub import cache
from rvc.onnx import runtime
from rvc.onnx.build import IMPOSSIBLE
from rvc.onnx.graph_spec import GraphSpec

LOG = logging.getLogger(__name__)
LIMIT_BYTES = 3 << 30  # of the whole cache
OFF = "RVC_NO_GRAPHS"  # environment variable that switches graphs off
MAKING_S = 900  # longest time a step of making one is given


class Graph(nn.Module):
    """A session that is called like the network it stands for.

    Args:
        threads: that work on one call; as many as torch uses where 0.

    Attributes:
        nbytes: size of its files.
    """

    def __init__(self, file: Path, threads: int = 0) -> None:
        super().__init__()
        threads = threads or torch.get_num_threads()
        self.session = runtime.session(file, threads, layout="as it is")
        self.names = [i.name for i in self.session.get_inputs()]
        self.nbytes = sum(f.stat().st_size for f in _files(file) if f.exists())
        self.shrinks = True  # gives memory back after each run
        self.notes: dict[str, str] = self.session.get_modelmeta().custom_metadata_map

    def forward(self, *inputs: Tensor) -> Tensor:
        arrays = {
            n: np.ascontiguousarray(x.numpy()) for n, x in zip(self.names, inputs, strict=True)
        }
        options = runtime.shrinking_run() if self.shrinks else None
        return torch.from_numpy(self.session.run(None, arrays, options)[0])


def _files(file: Path) -> tuple[Path, Path]:
    """A graph and its weights."""
    return file, file.with_suffix(".data")


def load(spec: GraphSpec, threads: int = 0) -> Graph | None:
    """The graph from the cache, or a new one; None where it cannot be had or switched off."""
    if os.environ.get(OFF):
        return None
    try:
        if spec.file.with_suffix(".never").exists():
            return None
        failures = runtime.errors(
            ImportError, MemoryError, OSError, RuntimeError, ValueError, subprocess.TimeoutExpired
        )
    except ImportError as error:
        LOG.debug("No graphs: %s", error)
        return None
    try:
        return _open(spec, threads) or _build(spec, threads)
    except failures as error:
        LOG.warning("The %s runs without a graph: %.300s", spec.kind, error)
        return None


def _open(spec: GraphSpec, threads: int) -> Graph | None:
    """The graph of the cache; None where there is none, or a damaged one.

    Raises:
        Exception: of any kind where there is too little memory: that says nothing of the file.
    """
    file = spec.file
    if not file.is_file():
        return None
    try:
        graph = Graph(file, threads)
    except runtime.errors(RuntimeError, ValueError) as error:
        if memory.ran_out(error):
            raise
        LOG.warning("%s is damaged: %s", file, error)
        return None
    cache.used(file)
    return graph


def _build(spec: GraphSpec, threads: int) -> Graph:
    """Have it made by other processes, whose memory goes back to the system.

    Who comes second waits, and finds it made.
    """
    from filelock import FileLock

    spec.lock_file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(spec.lock_file, timeout=2 * MAKING_S):
        found = _open(spec, threads)
        if found is not None:
            return found
        file = spec.file
        LOG.info("Preparing the %s for this processor (once).", spec.kind)
        file.parent.mkdir(parents=True, exist_ok=True)
        cache.drop(*_files(file))  # what is there is damaged
        memory.release_freed()  # both processes lie in memory now
        with tempfile.TemporaryDirectory(prefix=cache.PART, dir=file.parent) as folder:
            _step(spec, "export", spec.dumps(), folder)
            _step(spec, "optimise", folder, str(file))
        cache.prune(file, LIMIT_BYTES)
        return Graph(file, threads)


def _step(spec: GraphSpec, *arguments: str) -> None:
    """Run a step of `rvc.onnx.build` as a process.

    Raises:
        RuntimeError: it failed; the text says why.
    """
    done = processes.run(["-m", "rvc.onnx.build", *arguments], MAKING_S)
    if done.returncode == IMPOSSIBLE:
        spec.file.with_suffix(".never").touch()
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"code {done.returncode}")
