"""Opens .onnx files of strangers as data: nothing in them may reach beyond the file itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from rvc.errors import BadInput

LIMIT_BYTES = 2 << 30  # of the format itself
# all that export-onnx makes use of; anything else in a file was put there by somebody else
OPERATORS = frozenset(
    ["Abs", "Add", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv"]
    + ["ConvTranspose", "Cos", "CumSum", "Div", "Equal", "Erf", "Exp", "Expand", "Flatten"]
    + ["Floor", "Gather", "Greater", "Identity", "LayerNormalization", "LeakyRelu", "Less", "Log"]
    + ["MatMul", "Mod", "Mul", "Neg", "Pad", "Pow", "Range", "Reciprocal", "ReduceMean", "Relu"]
    + ["Reshape", "Resize", "Shape", "Sigmoid", "Sin", "Slice", "Softmax", "Sqrt", "Squeeze"]
    + ["Sub", "Tanh", "Tile", "Transpose", "Unsqueeze", "Where"]
)
AGAIN = "Export the voice again."
DTYPES = {"FLOAT": "<f4", "FLOAT16": "<f2", "DOUBLE": "<f8", "INT64": "<i8", "INT32": "<i4",
         "BOOL": "?"}  # fmt: skip


def open_model(path: Path, more: frozenset[str] = frozenset(), again: str = AGAIN) -> Any:
    """The model, proven to be self-contained and made of the operators that voices consist of.

    Args:
        more: operators that this kind of model consists of, too.
        again: what to do about a bad file.

    Raises:
        BadInput: missing, too large, damaged, or with anything that no such model has.
    """
    model = _read(path, again)
    found = unexpected(model, OPERATORS | more)
    if found:
        raise BadInput(f"{path} is refused: it has {found}.", again)
    return model


def refuse_reaching(path: Path) -> None:
    """Nothing, where a network of somebody else's making stays within its own file.

    Its operators may be any that onnxruntime has: they compute and do nothing else.

    Raises:
        BadInput: missing, too large, damaged, or it reads other files.
    """
    model = _read(path, "Fetch the voice again.")
    graphs, reaching = [model.graph, *model.functions], False
    while graphs and not reaching:
        graph = graphs.pop()
        tables = list(getattr(graph, "initializer", ()))
        for node in graph.node:
            for attribute in node.attribute:
                tables += [attribute.t, *attribute.tensors]
                graphs += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
        reaching = any(table.external_data or table.data_location for table in tables)
    if reaching:
        raise BadInput(
            f"{path} is refused: it reaches beyond its own file.",
            "Do not use it unless you know where it comes from.",
        )


def _read(path: Path, again: str) -> Any:
    """The model without what lies in other files.

    Raises:
        BadInput: missing, too large or damaged.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise BadInput(f"{path} does not exist.", "Check the path.")
    if path.stat().st_size > LIMIT_BYTES:
        raise BadInput(f"{path} is larger than any ONNX model.", "Choose another file.")
    try:
        return onnx.load(str(path), load_external_data=False)
    except (DecodeError, RecursionError) as error:
        raise BadInput(f"{path} is damaged or no ONNX file.", again) from error


def unexpected(model: Any, operators: frozenset[str] = OPERATORS) -> str:
    """What a voice has no use for and an attacker may: other files, functions, loops, operators."""
    graph = model.graph
    tables, parts = list(graph.initializer), []
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in operators:
            return f"the operator {node.op_type[:40]!r} of {node.domain[:40] or 'ONNX'!r}"
        for attribute in node.attribute:
            tables += [attribute.t, *attribute.tensors]
            parts += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
    if any(t.external_data or t.data_location for t in tables):
        return "weights in other files"
    if parts or model.functions or graph.sparse_initializer or model.training_info:
        return "functions or graphs of its own"
    broken = next((t.name for t in graph.initializer if not _consistent(t)), None)
    return "" if broken is None else f"a table {broken[:80]!r} that is not what it says"


def _consistent(table: Any) -> bool:
    """Whether a table holds as many numbers as it says, all of them finite."""
    from onnx import TensorProto

    kind = DTYPES.get(TensorProto.DataType.Name(table.data_type))
    count = math.prod(table.dims)
    if kind is None or count * np.dtype(kind).itemsize != len(table.raw_data):
        return False
    return "f" not in kind or bool(np.isfinite(np.frombuffer(table.raw_data, kind)).all())
