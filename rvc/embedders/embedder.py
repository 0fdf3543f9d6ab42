"""A loaded embedder: sound in, content features out, in the shape and precision it declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from rvc.errors import StageFailed
from rvc.precision import allowed, guard


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
        self.dtype = allowed(dtype, device)
        self.network: Any = guard(network, self.dtype, self.device)

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (frames, width) float32; frames = (T - 400) // 320 + 1.

        Raises:
            StageFailed: the result is not finite.
        """
        return self.batch([wave_16k])[0]

    @torch.inference_mode()
    def batch(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same for several waves at once; each gets what it would get alone."""
        counts = [self.network.frames(len(w)) for w in waves]
        out = [np.zeros((0, self.spec.width), np.float32) for _ in waves]
        heard = [i for i, n in enumerate(counts) if n > 0]
        if not heard:
            return out
        tensors = [torch.from_numpy(self._levelled(waves[i])).to(self.device) for i in heard]
        result = self.network(tensors).float().cpu().numpy()
        for row, i in enumerate(heard):
            out[i] = np.ascontiguousarray(result[row, : counts[i]])
            if not np.isfinite(out[i]).all():
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
