"""Pitch (F0) extractors by name. Importing this module loads none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from rvc.plugins import Registry, attribute

if TYPE_CHECKING:
    import numpy as np

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
