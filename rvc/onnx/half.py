"""Finishes an exported voice: what the file says of itself, and its weights in half the size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rvc.nets.voice_file import Weights

SMALLEST_HALF = 256  # entries; smaller tables stay float32


def finish(path: Path, metadata: dict[str, str], half: Weights | None = None) -> None:
    """Add metadata to an exported file, and store its weights in float16 if wanted.

    Args:
        half: the voice's own weights, by their public names; None keeps float32.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    if half is not None:
        _halve(model, half)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))


def _halve(model: Any, weights: Weights) -> None:
    """Weights in float16, raised to float32 where they are used: half the size, full arithmetic.

    A folded weight is kept as its direction and the length of each row, which a voice file holds
    in float16 anyway; so nothing is rounded that was not rounded before.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts, kept = [], []
    for tensor in model.graph.initializer:
        values, name = numpy_helper.to_array(tensor), tensor.name
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALLEST_HALF:
            kept.append(tensor)
            continue
        rows = None
        if not np.array_equal(values.astype(np.float16), values):
            values, rows = _unfolded(values, weights, name.removeprefix("net."))
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        raised = name if rows is None else f"{name}.raised"
        casts.append(helper.make_node("Cast", [f"{name}.half"], [raised], to=TensorProto.FLOAT))
        if rows is not None:
            kept.append(numpy_helper.from_array(rows, f"{name}.rows"))
            casts.append(helper.make_node("Mul", [raised, f"{name}.rows"], [name]))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)


def _unfolded(
    folded: np.ndarray, weights: Weights, key: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """(direction, factor of each row) of a folded weight; (itself, None) where it was none."""
    length, direction = weights.get(f"{key}_g"), weights.get(f"{key}_v")
    if length is None or direction is None or tuple(direction.shape) != folded.shape:
        return folded, None
    direction = direction.float()
    norm = direction.norm(dim=tuple(range(1, direction.dim())), keepdim=True)
    return direction.numpy(), (length.float() / norm).numpy()
