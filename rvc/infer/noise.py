"""The random numbers of a conversion, addressed by position: no cut of the recording, block size,
thread or device changes them.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc.nets.layers import Noise

TABLE, CHUNK = 1 << 20, 1024  # numbers that all noise is made of, and those taken in a row
LATENT, SOURCE, OFFSETS, DECODER = 0, 1, 2, 3  # streams, which never share values
CPU = torch.device("cpu")


class PositionalNoise:
    """White Gaussian noise that is a pure function of (seed, stream, position).

    The numbers are those of one table, drawn by the seed: every CHUNK of them along a row begins
    at a place that a hash of seed, stream, row and position chooses. So they are equal on every
    device, and making them costs no more than copying them.

    Args:
        seed: repeats everything; None takes a new one.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = secrets.randbits(63) if seed is None else seed % (1 << 63)

    def rows(
        self,
        stream: int,
        first: int,
        last: int,
        width: int = 1,
        device: torch.device = CPU,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Positions [first, last) of `width` endless rows of unit variance: (width, last - first).

        Positions may be negative. The same numbers come out however they are asked for.
        """
        begin, end = first // CHUNK, -(-last // CHUNK)
        places = _places(self.seed, stream, begin, end, width)
        chunks = _chunks(self.seed, device, dtype)
        if device.type == "cpu":
            drawn = torch.from_numpy(chunks[places])
        else:
            drawn = chunks[torch.from_numpy(places).to(device)]
        flat = drawn.view(width, -1)
        return flat[:, first - begin * CHUNK : last - begin * CHUNK].to(dtype)


def _places(seed: int, stream: int, begin: int, end: int, width: int) -> np.ndarray:
    """Where in the table chunks [begin, end) of each row begin: (width * (end - begin),) int64.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014): its mixing.
    """
    chunk = np.arange(begin, end, dtype=np.int64).astype(np.uint64)
    key = np.arange(width, dtype=np.uint64)[:, None] << np.uint64(40) ^ chunk
    for salt in (seed, stream):
        key = (key ^ np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ key >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ key >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return (key % np.uint64(TABLE - CHUNK + 1)).astype(np.int64).reshape(-1)


@lru_cache(maxsize=4)
def _chunks(seed: int, device: torch.device, dtype: torch.dtype) -> Any:
    """Every CHUNK numbers in a row of the table of a seed, (TABLE - CHUNK + 1, CHUNK), a view."""
    drawn = np.random.Generator(np.random.Philox(seed)).standard_normal(TABLE, np.float32)
    table = (drawn - drawn.mean()) / drawn.std()
    if device.type == "cpu":
        return np.lib.stride_tricks.sliding_window_view(table, CHUNK)
    return torch.from_numpy(table).to(device, dtype).unfold(0, CHUNK, 1)


class SourceNoise(Noise):
    """Noise for (1, N, harmonics + 1) excitation whose first sample is `first`."""

    def __init__(self, noise: PositionalNoise, first: int) -> None:
        super().__init__()
        self.noise, self.first = noise, first

    def normal(self, like: Tensor) -> Tensor:
        span = self.first, self.first + like.shape[1]
        return self.noise.rows(SOURCE, *span, like.shape[2], like.device, like.dtype).T[None]

    def uniform(self, like: Tensor) -> Tensor:
        """Phase offsets of the harmonics: the same in every piece."""
        turns = self.noise.rows(OFFSETS, 0, 1, like.shape[-1], like.device, like.dtype)[:, 0] % 1.0
        return turns.expand(like.shape)


class LayerNoise(Noise):
    """Noise for (1, C, frames * k) maps that begin at frame `first` of the recording.

    Args:
        stream: of the map that is asked for first; each further one takes the next, so the layers
            of a network must ask in the same order every time.
    """

    def __init__(self, noise: PositionalNoise, first: int, frames: int, stream: int) -> None:
        super().__init__()
        self.noise, self.first, self.frames, self.stream = noise, first, frames, stream

    def normal(self, like: Tensor) -> Tensor:
        begin = self.first * (like.shape[2] // self.frames)
        span = begin, begin + like.shape[2]
        made = self.noise.rows(self.stream, *span, like.shape[1], like.device, like.dtype)
        self.stream += 1
        return made[None]
