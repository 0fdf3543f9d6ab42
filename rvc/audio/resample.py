"""Change of sample rate: soxr for files, torchaudio's kaiser-windowed sinc inside networks.

torchaudio's Linux wheel is built against CUDA, so over a CPU build of torch its native extension
does not load and `import torchaudio` fails, although the resampler needs nothing native. This
module is the only one that knows how to import it in both cases.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LOG = logging.getLogger(__name__)
# torchaudio's documented "kaiser best" setting, which RefineGAN voices were trained with
ZERO_CROSSINGS = 64
ROLLOFF = 0.9475937167399596
KAISER_BETA = 14.769656459379492


def resample(wave: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Offline resampling of a recording in soxr's best quality.

    Args:
        wave: (T,) or (T, channels) samples.

    Returns:
        float32, about T * to_hz / from_hz samples; the same array when the rates agree.
    """
    import soxr

    wave = np.asarray(wave, dtype=np.float32)
    if from_hz == to_hz or not len(wave):
        return wave
    return soxr.resample(wave, from_hz, to_hz, quality="VHQ").astype(np.float32, copy=False)


def _without_extension() -> ModuleType:
    """A stand-in for `torchaudio._extension` that says that nothing native is there."""

    def absent(function: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"{function.__name__} needs torchaudio's native extension.")

        return refuse

    stub: Any = ModuleType("torchaudio._extension")
    stub._IS_TORCHAUDIO_EXT_AVAILABLE = False
    stub._IS_ALIGN_AVAILABLE = False
    stub._load_lib = lambda _: False
    stub.fail_if_no_align = absent
    return stub


@lru_cache(maxsize=1)
def torchaudio() -> Any:
    """The torchaudio package, whole where its extension loads and without it where not.

    After this call a plain `import torchaudio` works too, also in other people's packages.
    """
    try:
        return importlib.import_module("torchaudio")
    except (OSError, ImportError) as error:
        LOG.debug("torchaudio's extension does not load, going without: %s", error)
    for name in [m for m in sys.modules if m.split(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules["torchaudio._extension"] = _without_extension()
    return importlib.import_module("torchaudio")


@lru_cache(maxsize=32)
def _kaiser(from_hz: int, to_hz: int, device: str, dtype: torch.dtype) -> Any:
    """The resampler of one ratio, with its filter already on the device."""
    import torch

    torchaudio()
    from torchaudio.transforms import Resample

    with torch.inference_mode(False):  # it is kept, and training needs it too
        made = Resample(
            from_hz,
            to_hz,
            lowpass_filter_width=ZERO_CROSSINGS,
            rolloff=ROLLOFF,
            resampling_method="sinc_interp_kaiser",
            beta=KAISER_BETA,
        )
        return made.to(device, dtype)


def kaiser_resample(wave: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Differentiable resampling with a wide kaiser-windowed sinc; only the ratio matters.

    Args:
        wave: (..., T).

    Returns:
        (..., ceil(T * to_hz / from_hz)).
    """
    return _kaiser(from_hz, to_hz, str(wave.device), wave.dtype)(wave.contiguous())
