"""Writes a network as a bare graph, holding its weights only once."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rvc.onnx.runtime import OPSET, Impossible

TIME_AXIS = 2  # of (B, C, T)
# what a decoder's graph may consist of: convolutions, operators that act on each number alone,
# and those that reckon with lengths
LIFTABLE = frozenset(
    ["Add", "Constant", "Conv", "ConvTranspose", "Div", "Gather", "Identity", "LeakyRelu", "Mul"]
    + ["Slice", "Sub", "Tanh", "Unsqueeze"]
)
PAGE = 1 << 16  # weights begin at multiples of it, so that every system can map them


@dataclass(frozen=True)
class LiftRecipe:
    """How a network becomes a graph.

    Attributes:
        net: its forward takes the inputs in order, gives one tensor.
        inputs: name -> axis that varies.
        examples: at least two sets of inputs of different length to export and to compare with.
        lift: run one-dimensional convolutions as flat two-dimensional ones, which are faster.
        notes: kept with the graph.
    """

    net: nn.Module
    inputs: Mapping[str, int | None]
    examples: Sequence[tuple[Tensor, ...]]
    lift: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)


def export(recipe: LiftRecipe, file: Path) -> None:
    """Write the bare graph without its weights, then the weights one by one beside it."""
    import onnx

    held = io.BytesIO()
    moving = {name: {axis: f"{name}_size"} for name, axis in recipe.inputs.items() if axis}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            recipe.net,
            recipe.examples[0],
            held,  # type: ignore[arg-type]  # it takes files too
            dynamo=False,
            export_params=False,
            do_constant_folding=False,
            input_names=list(recipe.inputs),
            output_names=["out"],
            dynamic_axes=moving,
            opset_version=OPSET,
        )
    model = onnx.load_from_string(held.getvalue())
    _write_weights(model, recipe, file.with_suffix(".data"))
    if recipe.lift:
        lift(model)
    for key, value in recipe.notes.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(file))


def _write_weights(model: Any, recipe: LiftRecipe, file: Path) -> None:
    """Turn the inputs that are weights into tables in `file`."""
    from onnx import TensorProto, helper

    state = recipe.net.state_dict()
    wanted = [entry for entry in model.graph.input if entry.name not in recipe.inputs]
    with file.open("wb") as out:
        for weight in wanted:
            values = state[weight.name].detach().contiguous().numpy()
            out.write(b"\0" * (-out.tell() % PAGE))
            table = model.graph.initializer.add()
            table.name, table.data_location = weight.name, TensorProto.EXTERNAL
            table.data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
            table.dims.extend(values.shape)
            place = {"location": file.name, "offset": out.tell(), "length": values.nbytes}
            for key, value in place.items():
                entry = table.external_data.add()
                entry.key, entry.value = key, str(value)
            out.write(values.data)
            model.graph.input.remove(weight)


def lift(model: Any) -> None:
    """Give a graph over (B, C, T) a height of one, in place: (B, C, 1, T) inside.

    onnxruntime has fast blocked kernels for two-dimensional convolutions only. All other
    operators of the graph must work element by element or cut pieces out of T.

    Raises:
        Impossible: one of them does not.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    _check_liftable(graph)
    tables = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Slice":
            node.input[3] = "length"
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        table = tables[node.input[1]]
        if len(table.dims) == 3:
            table.dims.insert(2, 1)
        for attribute in node.attribute:
            _lift_attribute(attribute)
    graph.initializer.append(numpy_helper.from_array(_array([2]), "height"))
    graph.initializer.append(numpy_helper.from_array(_array([3]), "length"))
    signals = [e.name for e in graph.input if len(e.type.tensor_type.shape.dim) == 3]
    before = [_with_height(helper, graph, name) for name in signals]
    out = graph.output[0].name
    for node in graph.node:
        node.output[:] = [f"{x}.high" if x == out else x for x in node.output]
    nodes = [*before, *graph.node, helper.make_node("Squeeze", [f"{out}.high", "height"], [out])]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)


def _check_liftable(graph: Any) -> None:
    strange = {node.op_type for node in graph.node} - LIFTABLE
    if strange:
        raise Impossible(f"{sorted(strange)[0]} is not known to work with a height")
    makers = {name: node for node in graph.node for name in node.output}
    tables = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Slice" and _constant(node.input[3], makers, tables) != TIME_AXIS:
            raise Impossible("it cuts something else than time")


def _constant(name: str, makers: dict[str, Any], tables: dict[str, Any]) -> int | None:
    """The single whole number that a name stands for; None where it is anything else."""
    from onnx import numpy_helper

    while name in makers and makers[name].op_type in ("Unsqueeze", "Identity", "Cast"):
        name = makers[name].input[0]
    if name in makers and makers[name].op_type == "Constant":
        values = numpy_helper.to_array(makers[name].attribute[0].t)
    elif name in tables:
        values = numpy_helper.to_array(tables[name])
    else:
        return None
    return int(values.reshape(-1)[0]) if values.size == 1 else None


def _array(values: list[int]) -> Any:
    import numpy as np

    return np.array(values, np.int64)


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
