"""Metadata that is no plain data but does no harm: left out, so that the weights can be read.

People note the epoch as a numpy number, the date as a date, the data set as a path. None of these
is needed to convert, and none of their code is run here: whatever they are, a stand-in is built in
their place and taken out again. What is not on the list below is refused as before.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_NUMPY = [f"numpy.{core}.multiarray {n}" for core in ("core", "_core")
          for n in ("scalar", "_reconstruct")]  # fmt: skip
_NUMPY += ["numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"]
_DATES = [f"datetime {name}" for name in ("datetime", "date", "time", "timedelta", "timezone")]
_PATHS = [f"{module} {kind}{name}" for module in ("pathlib", "pathlib._local")
          for kind in ("", "Pure") for name in ("PosixPath", "WindowsPath")]  # fmt: skip
_NUMBERS = ["decimal Decimal", "fractions Fraction", "uuid UUID"]
_BUILT_IN = ("complex", "set", "frozenset", "bytearray", "range", "xrange", "slice")
_KINDS = ("int", "float", "str", "bool", "list", "tuple", "dict")  # what a defaultdict makes
_GROUPS = [
    f"{module} {name}" for module in ("builtins", "__builtin__") for name in (*_BUILT_IN, *_KINDS)
]
_GROUPS += ["collections deque", "collections Counter", "collections defaultdict"]
_GROUPS += ["argparse Namespace"]
HARMLESS = frozenset(
    ["numpy dtype", "numpy ndarray", "pathlib Path", "types SimpleNamespace"]
    + ["torch.torch_version TorchVersion", "zoneinfo ZoneInfo._unpickle"]
    + [*_NUMPY, *_DATES, *_PATHS, *_NUMBERS, *_GROUPS]
)


class LeftOut:
    """Stands for something that is not built; takes whatever a pickle does to it."""

    named = ""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        pass

    extend = update = add = append


class _Call:
    """A function that a pickle may call and not change."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __setstate__(self, _: Any) -> None:
        raise pickle.UnpicklingError("it would change a function")


def load(path: Path, allowed: frozenset[str]) -> tuple[Any, list[str]]:
    """(the content of a torch file without what is left out, what that was).

    Args:
        allowed: "module name" pairs that are really used; the pickle was scanned for others.

    Raises:
        pickle.UnpicklingError, RuntimeError: damaged, or it would use something else.
    """
    import torch

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            named = f"{module} {name}"
            if named in HARMLESS:
                return type("LeftOut", (LeftOut,), {"named": named.replace(" ", ".")})
            if named not in allowed:
                raise pickle.UnpicklingError(f"it would load {named!r}")
            found = getattr(import_module(module), name)
            return _Call(found) if hasattr(found, "__code__") else found

    def read(file: Any, **options: Any) -> Any:  # files of torch before 1.6 have several pickles
        return Unpickler(file, **options).load()

    reader = SimpleNamespace(__name__="extras", Unpickler=Unpickler, load=read)
    content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
    found: list[str] = []
    return _without(content, "", found), found


def _without(value: Any, where: str, found: list[str]) -> Any:
    """`value` without anything left out; `found` gets a phrase for each."""
    if isinstance(value, Mapping):
        items = {key: item for key, item in value.items() if not _is_out(key, where, found)}
        return {
            key: _without(item, f"{where}/{key}", found)
            for key, item in items.items()
            if not _is_out(item, f"{where}/{key}", found)
        }
    if type(value) in (list, tuple):
        kept = [item for item in value if not _is_out(item, where, found)]
        return type(value)(_without(item, where, found) for item in kept)
    return value


def _is_out(value: Any, where: str, found: list[str]) -> bool:
    kind = value if isinstance(value, type) else type(value)
    if not issubclass(kind, LeftOut):
        return False
    found.append(f"{where.lstrip('/')} ({kind.named})")
    return True
