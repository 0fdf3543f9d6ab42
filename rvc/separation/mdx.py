"""MDX-Net: ONNX graphs that hear a song's complex spectrogram and give that of one stem.

Kim et al. 2021, "KUIELab-MDX-Net" (arXiv 2111.12203). A graph takes (1, 4, bins, frames): real and
imaginary parts of the left side, then of the right one, of a centred STFT with a hop of 1024; the
three lowest bins are silenced, those above the graph's are not heard. The window is not in the
graph and has to be told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from rvc.errors import BadInput, Mismatch
from rvc.onnx import inspection, runtime
from rvc.separation.chunks import Stem
from rvc.separation.settings import ModelSettings

HOP = 1024
DEAF_BINS = 3
OPERATORS = frozenset(["BatchNormalization"])  # beside those of voices
SIDES = 4  # left and right, real and imaginary


def load(file: Path, settings: ModelSettings) -> tuple[Stem, int]:
    """(what takes the stem out of a chunk (2, T), the chunk's length T) of a graph.

    Raises:
        BadInput: not a graph that is safe to open, or nobody says its window.
        Mismatch: a graph of something else.
    """
    model = inspection.open_model(file, OPERATORS, "Download it again, from where you trust it.")
    bins, frames = _shape(model, file)
    if settings.window is None:
        raise BadInput(
            f"Nobody says the window of {file}.",
            f"Put {file.stem}.yaml beside it, with n_fft, compensate and primary_stem.",
        )
    if settings.window // 2 + 1 < bins:
        raise Mismatch(f"{file} hears {bins} bins, more than a window of {settings.window} has.",
                       "Correct n_fft in its settings.")  # fmt: skip
    session = runtime.session(model.SerializeToString())
    hann = torch.hann_window(settings.window)
    chunk = HOP * (frames - 1)

    def network(spec: np.ndarray) -> np.ndarray:
        out: np.ndarray = session.run(None, {session.get_inputs()[0].name: spec})[0]
        return out

    def stem(wave: np.ndarray) -> np.ndarray:
        given = settings.gain * _heard(wave, network, hann, bins)
        return wave - given if settings.rest else given

    return stem, chunk


def _heard(wave: np.ndarray, network: Any, hann: torch.Tensor, bins: int) -> np.ndarray:
    """What a network makes of (2, T), as long."""
    size = len(hann)
    sides = torch.from_numpy(np.ascontiguousarray(wave, np.float32))
    spec = torch.stft(sides, size, HOP, window=hann, return_complex=True)[:, :bins]
    parts = torch.view_as_real(spec).permute(0, 3, 1, 2).reshape(1, SIDES, bins, -1).numpy()
    parts[:, :, :DEAF_BINS] = 0
    out = torch.from_numpy(np.ascontiguousarray(network(parts)))
    complex_ = torch.view_as_complex(out.reshape(2, 2, bins, -1).permute(0, 2, 3, 1).contiguous())
    full = torch.nn.functional.pad(complex_, (0, 0, 0, size // 2 + 1 - bins))
    back: np.ndarray = torch.istft(full, size, HOP, window=hann, length=wave.shape[1]).numpy()
    return back


def _shape(model: Any, file: Path) -> tuple[int, int]:
    """(bins, frames) that the graph hears."""
    stated = {table.name for table in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in stated]
    dims = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim] if inputs else []
    if len(inputs) != 1 or len(dims) != 4 or dims[1] != SIDES or min(dims[2:]) < 2:
        raise Mismatch(
            f"{file} is no MDX-Net: it takes {dims or 'nothing'} instead of four planes of a "
            "spectrogram.",
            "Give an .onnx file of an MDX-Net for stereo at 44.1 kHz.",
        )
    return dims[2], dims[3]
