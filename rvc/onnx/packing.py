"""Lays a bare graph out for this processor: python -m rvc.onnx.packing FOLDER FILE.

A process of its own because nothing else in a conversion takes as much memory; without torch,
which would be 240 MB more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rvc import files, memory
from rvc.onnx.runtime import given_back, session

PLAIN, KNOWN = "plain.onnx", "known.npz"  # what the exporter leaves in FOLDER
TOLERANCE = 1e-4  # of the peak
IMPOSSIBLE = 3  # exit code of a process that makes a graph: trying again will not help


class Impossible(ValueError):
    """There is no such graph, however often one tries."""


def remember(
    folder: Path, examples: Iterable[Sequence[np.ndarray]], expected: Iterable[np.ndarray]
) -> None:
    """Note what the network makes of its examples: the graph has to make the same."""
    np.savez(
        folder / KNOWN, *(a for e, out in zip(examples, expected, strict=True) for a in (*e, out))
    )


def pack(folder: Path, file: Path) -> None:
    """Optimise the graph in `folder`, compare, and only then put it in its place.

    Raises:
        Impossible: it does not equal the network.
    """
    part = folder / file.name
    session(folder / PLAIN, optimised=part)
    memory.release_freed()
    _agree(part, folder / KNOWN)
    for suffix in (".data", ".onnx"):
        files.replace(part.with_suffix(suffix), file.with_suffix(suffix))


def _agree(graph: Path, known: Path) -> None:
    opened = session(graph)
    names = [entry.name for entry in opened.get_inputs()]
    with np.load(known) as arrays:
        rows = [arrays[name] for name in arrays.files]
    for first in range(0, len(rows), len(names) + 1):
        *given, out = rows[first : first + len(names) + 1]
        made = opened.run(None, dict(zip(names, given, strict=True)), given_back())[0]
        error = float(np.abs(out - made).max() / max(float(np.abs(out).max()), 1e-9))
        if not error <= TOLERANCE:
            raise Impossible(f"its graph is off by {error:.1e} of the peak")


def main(arguments: list[str]) -> int:
    """Exit code 0 when the graph is in its place; else the last line of stderr says why not."""
    try:
        pack(Path(arguments[0]), Path(arguments[1]))
    except Impossible as error:
        print(error, file=sys.stderr)
        return IMPOSSIBLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
