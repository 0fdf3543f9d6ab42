"""A loaded embedder: sound in, content features out, in the shape and precision it declares.

Its weight files are read as data only; names and spellings of weight norm are made equal.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rvc.errors import BadInput, StageFailed
from rvc.hub import safe


@dataclass(frozen=True)
class EmbedderSpec:
    """What the rest of the program obeys; goes into manifests and voice files.

    Attributes:
        name: registered name, or the path of a custom one.
        width: numbers per frame.
        layer: block whose output is used, counted from 1.
        normalize: each waveform is brought to zero mean and unit variance first.
        sample_rate: of the input, in Hz.
        hop: samples per frame.
        digest: SHA-256 of the weights file.
        projected: the output went through the model's `final_proj` (v1 voices).
    """

    name: str
    width: int
    layer: int
    normalize: bool
    sample_rate: int = 16000
    hop: int = 320
    digest: str = ""
    projected: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Network(Protocol):
    """What a family of embedders has to provide (see `rvc.embedders.FAMILIES`)."""

    width: int
    layer: int
    hop: int

    def frames(self, samples: int) -> int: ...

    def __call__(self, waves: list[Tensor]) -> Tensor:
        """Waves (T_i,) -> (B, longest, width)."""


class Embedder:
    """Callable features. Holds no state between calls, so threads may share it."""

    def __init__(
        self,
        spec: EmbedderSpec,
        network: nn.Module,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.spec = spec
        self.device = torch.device(device)
        self.network: Any
        if dtype == torch.float32:
            self.dtype, self.network = dtype, network.eval().to(device).float()
        else:
            from rvc.precision import allowed, guard

            self.dtype = allowed(dtype, device)
            self.network = guard(network, self.dtype, self.device)

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (frames, width) float32; frames = (T - 400) // 320 + 1.

        Raises:
            StageFailed: the result is not finite.
        """
        return self.batch([wave_16k])[0]

    def batch(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same for several waves at once; each gets what it would get alone."""
        return [np.ascontiguousarray(rows.cpu().numpy()) for rows in self.tensors(waves)]

    @torch.inference_mode()
    def tensors(self, waves: Sequence[np.ndarray]) -> list[Tensor]:
        """`batch`, left on the embedder's device."""
        counts = [self.network.frames(len(w)) for w in waves]
        out = [torch.zeros(0, self.spec.width, device=self.device) for _ in waves]
        heard = [i for i, n in enumerate(counts) if n > 0]
        if not heard:
            return out
        given = [torch.from_numpy(self._levelled(waves[i])).to(self.device) for i in heard]
        result = self.network(given).float()
        for row, i in enumerate(heard):
            out[i] = result[row, : counts[i]]
        if not all(torch.stack([torch.isfinite(out[i]).all() for i in heard]).tolist()):
            raise StageFailed(
                f"The embedder {self.spec.name} gave values that are not finite.",
                "Check the recording; with half precision, try fp32.",
            )
        return out

    def _levelled(self, wave: np.ndarray) -> np.ndarray:
        wave = np.ascontiguousarray(wave, np.float32)
        if not self.spec.normalize:
            return wave
        exact = wave.astype(np.float64)
        levelled: np.ndarray = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-7)
        return levelled.astype(np.float32)


log = logging.getLogger(__name__)

SPELLINGS = {  # public spellings of weight norm: (magnitude, direction)
    "weight_g": ("weight_g", "weight_v"),
    "parametrizations.weight.original0": (
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ),
}
PREFIX = re.compile(r"^(hubert|wavlm|wav2vec2|data2vec_audio|model)\.")
DAMAGE = (RuntimeError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError)
FILES = ("model.safetensors", "pytorch_model.safetensors", "pytorch_model.bin")


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or `.bin` file; nothing in the file is executed.

    Raises:
        BadInput: damaged, or holding something else than tensors.
    """
    loaded = safe.load(path)
    if path.suffix == ".safetensors":
        loaded = loaded["weight"]
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise BadInput(f"{path} holds no weights.", "It needs a dictionary of tensors.")
    return {k: v for k, v in loaded.items() if isinstance(k, str) and isinstance(v, Tensor)}


def prepare(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float32 weights without a task prefix, weight norm folded into plain weights."""
    out = {PREFIX.sub("", k): v.float() for k, v in weights.items() if v.is_floating_point()}
    for name in list(out):
        for end, (magnitude, direction) in SPELLINGS.items():
            if name.endswith("." + end):
                stem = name.removesuffix(end)
                out[stem + "weight"] = _folded(out.pop(stem + magnitude), out.pop(stem + direction))
    return out


def _folded(magnitude: Tensor, direction: Tensor) -> Tensor:
    """g · v / |v|, the norm taken over the axes where the magnitude has size 1."""
    axes = [i for i, n in enumerate(magnitude.shape) if n == 1]
    length: Tensor = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
    return direction * (magnitude / length)


def fill(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load weights, refusing what is missing or misshapen; what the network lacks is left out.

    Raises:
        BadInput: the first missing or misshapen weight is named; nothing is left random.
    """
    own = network.state_dict()
    for name, tensor in own.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in weights:
            raise BadInput(
                f"The embedder's weights lack {name}.",
                "The file is of another model than its config.json says, or incomplete.",
            )
        if weights[name].shape != tensor.shape:
            raise BadInput(
                f"The embedder's {name} has shape {tuple(weights[name].shape)}, "
                f"its config.json says {tuple(tensor.shape)}.",
                "The weights and the config.json do not belong together.",
            )
    chosen = {
        k: weights[k] if k in weights else torch.zeros(v.shape, dtype=v.dtype)
        for k, v in own.items()
    }
    network.load_state_dict(chosen, assign=True)
    network.requires_grad_(False)
