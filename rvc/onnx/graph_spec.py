"""Which graph is wanted, and the name it has in the cache."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rvc.config import paths
from rvc.onnx.runtime import OPSET

FORMAT = 4  # of what is written; a change makes older graphs unused


@dataclass(frozen=True)
class GraphSpec:
    """Which graph is wanted.

    Attributes:
        kind: a name in rvc.onnx.recipes.RECIPES and the first part of the file's name.
        given: what the recipe needs, as plain values.
        contents: what the weights are, in words or digests.
    """

    kind: str
    given: dict[str, Any]
    contents: Sequence[str]

    @property
    def file(self) -> Path:
        """Where it lies: its name stands for everything that its content depends on."""
        import onnxruntime
        import torch

        versions = [FORMAT, OPSET, torch.__version__, onnxruntime.__version__, _processor()]
        name = hashlib.sha256("\n".join(map(str, [*versions, *self.contents])).encode())
        return paths().cache / "graphs" / f"{self.kind}-{name.hexdigest()[:32]}.onnx"

    @property
    def lock_file(self) -> Path:
        """Held by who makes it."""
        return paths().cache / "locks" / f"{self.file.name}.lock"

    def dumps(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def loads(cls, text: str) -> GraphSpec:
        return cls(**json.loads(text))


@lru_cache(maxsize=1)
def _processor() -> str:
    """What this processor can do: a graph is laid out for it."""
    import torch

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        features = next(s for s in lines if s.lower().startswith(("flags", "features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {features}"
