"""Networks as graphs for onnxruntime, which runs them faster than torch on a CPU.

A graph is exported once, compared with the network, and kept in the cache under a name made of
the contents of the weights. Without it, or where anything about it fails, torch does the work.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rvc.config import paths

LOG = logging.getLogger(__name__)
OPSET = 17
FORMAT = 2  # of what is written; a change makes older graphs unused
TOLERANCE = 1e-4  # of the peak
LIMIT_BYTES = 3 << 30  # of the whole cache
OFF = "RVC_NO_GRAPHS"  # environment variable that switches graphs off


@dataclass(frozen=True)
class Recipe:
    """How a network becomes a graph.

    Attributes:
        kind: first part of the file's name.
        contents: what the weights are, in words or digests.
        build: makes the network; its forward takes the inputs in order, gives one tensor.
        inputs: name -> axis that varies.
        examples: at least two sets of inputs of different length to export and to compare with.
        lift: run one-dimensional convolutions as flat two-dimensional ones, which are faster.
        notes: kept with the graph.
    """

    kind: str
    contents: Sequence[str]
    build: Callable[[], nn.Module]
    inputs: Mapping[str, int | None]
    examples: Sequence[tuple[Tensor, ...]]
    lift: bool = False
    notes: Callable[[nn.Module], dict[str, str]] = field(default=lambda net: {})

    @property
    def file(self) -> Path:
        import onnxruntime

        said = [FORMAT, OPSET, torch.__version__, onnxruntime.__version__, *self.contents]
        name = hashlib.sha256("\n".join(map(str, said)).encode()).hexdigest()[:32]
        return paths().cache / "graphs" / f"{self.kind}-{name}.onnx"


class Graph(nn.Module):
    """A session that is called like the network it stands for."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.names = [i.name for i in session.get_inputs()]
        self.notes: dict[str, str] = session.get_modelmeta().custom_metadata_map

    def forward(self, *inputs: Tensor) -> Tensor:
        given = {
            n: np.ascontiguousarray(x.numpy()) for n, x in zip(self.names, inputs, strict=True)
        }
        return torch.from_numpy(self.session.run(None, given)[0])


def load(recipe: Recipe) -> Graph | None:
    """The graph from the cache, or a new one; None where it cannot be had or switched off."""
    if os.environ.get(OFF):
        return None
    try:
        import onnxruntime.capi.onnxruntime_pybind11_state as errors

        failures: tuple[type[Exception], ...] = tuple(
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, Exception)
        ) + (ImportError, OSError, RuntimeError, ValueError)
    except ImportError as error:
        LOG.debug("No graphs: %s", error)
        return None
    try:
        return _cached(recipe) or _made(recipe)
    except failures as error:
        LOG.warning("The %s runs without a graph: %.300s", recipe.kind, error)
        return None


def _cached(recipe: Recipe) -> Graph | None:
    file = recipe.file
    if not file.is_file():
        return None
    try:
        graph = Graph(_session(file))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is made anew
        LOG.warning("%s is damaged and made anew: %s", file, error)
        file.unlink(missing_ok=True)
        return None
    try:
        os.utime(file)  # the cache drops what was unused longest
    except OSError as error:
        LOG.debug("%s: %s", file, error)
    return graph


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


def _session(file: Path) -> Any:
    import onnxruntime

    _shared_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # lengths differ from call to call
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # be a good neighbour
    made = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc keeps what loading used
        if trim is not None:
            trim(0)
    return made


def _made(recipe: Recipe) -> Graph | None:
    LOG.info("Preparing the %s for this processor (once).", recipe.kind)
    file = recipe.file
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=file.parent) as folder:
        part = Path(folder) / file.name
        net = recipe.build().eval()
        _export(recipe, net, part)
        if not _agrees(recipe, net, Graph(_session(part))):
            return None
        part.with_suffix(".data").replace(file.with_suffix(".data"))
        part.replace(file)
    _prune(file)
    return Graph(_session(file))


def _agrees(recipe: Recipe, net: nn.Module, graph: Graph) -> bool:
    for example in recipe.examples:
        with torch.inference_mode():
            expected, found = net(*example), graph(*example)
        error = float((expected - found).abs().max() / expected.abs().max().clamp(min=1e-9))
        if not error <= TOLERANCE:
            LOG.warning("The graph of the %s is off by %.1e; torch is used.", recipe.kind, error)
            return False
    return True


def _prune(newest: Path) -> None:
    """Drop the graphs unused longest until all fit the limit."""
    kept = sorted(newest.parent.glob("*.onnx"), key=lambda f: f.stat().st_mtime, reverse=True)
    total = 0
    for file in kept:
        data = file.with_suffix(".data")
        total += file.stat().st_size + (data.stat().st_size if data.exists() else 0)
        if total > LIMIT_BYTES and file != newest:
            file.unlink(missing_ok=True)
            data.unlink(missing_ok=True)


def _export(recipe: Recipe, net: nn.Module, file: Path) -> None:
    """Write the graph, its weights apart so that they can be mapped instead of read."""
    import onnx

    held = io.BytesIO()
    moving = {name: {axis: f"{name}_size"} for name, axis in recipe.inputs.items() if axis}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            recipe.examples[0],
            held,  # type: ignore[arg-type]  # it takes files too
            dynamo=False,
            input_names=list(recipe.inputs),
            output_names=["out"],
            dynamic_axes=moving,
            opset_version=OPSET,
        )
    model = onnx.load_from_string(held.getvalue())
    if recipe.lift:
        lift(model)
    for key, value in recipe.notes(net).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(
        model,
        str(file),
        save_as_external_data=True,
        location=file.with_suffix(".data").name,
        size_threshold=1024,
    )


def lift(model: Any) -> None:
    """Give a graph over (B, C, T) a height of one, in place: (B, C, 1, T) inside.

    onnxruntime has fast blocked kernels for two-dimensional convolutions only. All other
    operators of the graph must work element by element.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    tables = {tensor.name: tensor for tensor in graph.initializer}
    done: set[str] = set()
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        name = node.input[1]
        if name not in done:
            flat = numpy_helper.to_array(tables[name])[:, :, None]
            tables[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(flat), name))
            done.add(name)
        for attribute in node.attribute:
            _lift_attribute(attribute)
    graph.initializer.append(numpy_helper.from_array(np.array([2], np.int64), "height"))
    before = [_with_height(helper, graph, entry.name) for entry in graph.input]
    out = graph.output[0].name
    for node in graph.node:
        node.output[:] = [f"{x}.high" if x == out else x for x in node.output]
    nodes = [*before, *graph.node, helper.make_node("Squeeze", [f"{out}.high", "height"], [out])]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)


def _lift_attribute(attribute: Any) -> None:
    values = list(attribute.ints)
    if attribute.name in ("kernel_shape", "strides", "dilations"):
        values = [1, *values]
    elif attribute.name == "output_padding":
        values = [0, *values]
    elif attribute.name == "pads":
        values = [0, values[0], 0, values[1]]
    else:
        return
    del attribute.ints[:]
    attribute.ints.extend(values)


def _with_height(helper: Any, graph: Any, name: str) -> Any:
    """Every use of an input becomes a use of its higher form; returns the node that makes it."""
    for node in graph.node:
        node.input[:] = [f"{name}.high" if x == name else x for x in node.input]
    return helper.make_node("Unsqueeze", [name, "height"], [f"{name}.high"])
