"""The processes that make a graph, in two steps whose memory goes back to the system.

    python -m rvc.onnx.build export ORDER FOLDER     the network, written as a bare graph
    python -m rvc.onnx.build optimise FOLDER FILE    laid out for this processor, and compared

Nothing else in a conversion takes as much memory as the second step, so it does without torch,
which would be 240 MB more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rvc import files, memory
from rvc.errors import VoiceError
from rvc.onnx.runtime import Impossible, session, shrinking_run

BARE, EXPECTED = "bare.onnx", "expected.npz"  # what the first step leaves in FOLDER
TOLERANCE = 1e-4  # of the peak
IMPOSSIBLE = 3  # exit code: trying again will not help


def export(spec: str, folder: Path) -> None:
    """Leave in `folder` the bare graph, and what the network makes of its examples.

    Args:
        spec: a `rvc.onnx.graph_spec.GraphSpec` as text.

    Raises:
        Impossible: the network has no graph.
    """
    import torch

    from rvc.onnx import lift, recipes
    from rvc.onnx.graph_spec import GraphSpec

    wanted = GraphSpec.loads(spec)
    recipe = recipes.RECIPES[wanted.kind](**wanted.given)
    recipe.net.eval()
    try:
        lift.export(recipe, folder / BARE)
    except torch.onnx.OnnxExporterError as error:
        raise Impossible(" ".join(str(error).split())[:300]) from error
    with torch.inference_mode():
        expected = [recipe.net(*example).numpy() for example in recipe.examples]
    save_expected(folder, [[x.numpy() for x in e] for e in recipe.examples], expected)


def save_expected(
    folder: Path, examples: Iterable[Sequence[np.ndarray]], expected: Iterable[np.ndarray]
) -> None:
    """Note what the network makes of its examples: the graph has to make the same."""
    pairs = zip(examples, expected, strict=True)
    np.savez(folder / EXPECTED, *(array for inputs, out in pairs for array in (*inputs, out)))


def optimise(folder: Path, file: Path) -> None:
    """Lay the graph in `folder` out, compare, and only then put it in its place.

    Raises:
        Impossible: it does not equal the network.
    """
    part = folder / file.name
    session(folder / BARE, save_as=part)
    memory.release_freed()
    compare(part, folder / EXPECTED)
    for suffix in (".data", ".onnx"):  # who finds the second finds both
        files.replace(part.with_suffix(suffix), file.with_suffix(suffix))


def compare(graph: Path, expected: Path) -> None:
    """Hold a graph against what the network made.

    Raises:
        Impossible: they differ by more than TOLERANCE.
    """
    opened = session(graph, layout="as it is")
    names = [entry.name for entry in opened.get_inputs()]
    with np.load(expected) as arrays:
        rows = [arrays[name] for name in arrays.files]
    for first in range(0, len(rows), len(names) + 1):
        *inputs, out = rows[first : first + len(names) + 1]
        made = opened.run(None, dict(zip(names, inputs, strict=True)), shrinking_run())[0]
        error = float(np.abs(out - made).max() / max(float(np.abs(out).max()), 1e-9))
        if not error <= TOLERANCE:
            raise Impossible(f"its graph is off by {error:.1e} of the peak")


def main(arguments: list[str]) -> int:
    """Exit code 0 when the step is done; else the last line of stderr says why not."""
    step, first, second = arguments
    try:
        if step == "export":
            export(first, Path(second))
        else:
            optimise(Path(first), Path(second))
    except Impossible as error:
        print(error, file=sys.stderr)
        return IMPOSSIBLE
    except VoiceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
