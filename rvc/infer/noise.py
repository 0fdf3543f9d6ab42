"""Random numbers addressed by position, so that no cut, block size or thread changes the sound."""

from __future__ import annotations

import secrets
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from rvc.nets.layers import Noise

BLOCK = 1024  # rows drawn together
ORIGIN = 1 << 40  # makes positions before the start of the recording positive
LATENT, SOURCE, OFFSETS, DECODER = 0, 1, 2, 3  # streams, which never share values


class PositionalNoise:
    """White Gaussian noise that is a pure function of (seed, stream, position).

    Args:
        seed: repeats everything; None takes a new one.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = secrets.randbits(63) if seed is None else seed % (1 << 63)

    def rows(self, stream: int, first: int, last: int, width: int = 1) -> np.ndarray:
        """Rows [first, last) of an endless (..., width) float32 array of unit variance.

        Positions may be negative. The same rows come out however they are asked for.
        """
        begin, end = (first + ORIGIN) // BLOCK, -(-(last + ORIGIN) // BLOCK)
        draw = _kept if stream == LATENT else _drawn
        drawn = [draw(self.seed, stream, number, width) for number in range(begin, end)]
        offset = first + ORIGIN - begin * BLOCK
        if len(drawn) == 1:
            return drawn[0][offset : offset + last - first]
        return np.concatenate(drawn)[offset : offset + last - first]


def _drawn(seed: int, stream: int, number: int, width: int) -> np.ndarray:
    """Block `number` of a stream, (BLOCK, width)."""
    bits = np.random.Philox(key=[seed, stream], counter=[0, 0, number, 0])
    drawn = np.random.Generator(bits).standard_normal((BLOCK, width), np.float32)
    drawn.flags.writeable = False
    return drawn


_kept = lru_cache(maxsize=4)(_drawn)  # a live stream asks for the same 10 s twenty times a second


class LatentNoise(Noise):
    """Noise for (1, I, T) latents whose first frame is `first` of the recording."""

    def __init__(self, noise: PositionalNoise, first: int) -> None:
        super().__init__()
        self.noise, self.first = noise, first

    def normal(self, like: Tensor) -> Tensor:
        rows = self.noise.rows(LATENT, self.first, self.first + like.shape[2], like.shape[1])
        return torch.from_numpy(np.ascontiguousarray(rows.T))[None].to(like)


class SourceNoise(Noise):
    """Noise for (1, N, harmonics + 1) excitation whose first sample is `first`."""

    def __init__(self, noise: PositionalNoise, first: int) -> None:
        super().__init__()
        self.noise, self.first = noise, first

    def normal(self, like: Tensor) -> Tensor:
        rows = self.noise.rows(SOURCE, self.first, self.first + like.shape[1], like.shape[2])
        return torch.from_numpy(rows)[None].to(like)

    def uniform(self, like: Tensor) -> Tensor:
        """Phase offsets of the harmonics: the same in every piece."""
        turns = self.noise.rows(OFFSETS, 0, 1, like.shape[-1]) % 1.0
        return torch.from_numpy(turns)[None].to(like).expand(like.shape)


class DecoderNoise(Noise):
    """Noise that layers of a decoder add to (1, C, frames * k) maps starting at frame `first`.

    One per block: the layers must ask in the same order every time.
    """

    def __init__(self, noise: PositionalNoise, first: int, frames: int) -> None:
        super().__init__()
        self.noise, self.first, self.frames, self.calls = noise, first, frames, 0

    def normal(self, like: Tensor) -> Tensor:
        per_frame = like.shape[2] // self.frames
        begin = self.first * per_frame
        stream = DECODER + self.calls
        self.calls += 1
        rows = self.noise.rows(stream, begin, begin + like.shape[2], like.shape[1])
        return torch.from_numpy(np.ascontiguousarray(rows.T))[None].to(like)
