"""Random numbers addressed by position, so that no cut, block size or thread changes the sound."""

from __future__ import annotations

import secrets

import numpy as np

BLOCK = 1024  # rows drawn together
ORIGIN = 1 << 40  # makes positions before the start of the recording positive
LATENT, SOURCE = 0, 1  # what the numbers are for: streams that never share values


class Noise:
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
        drawn = [self._block(stream, number, width) for number in range(begin, end)]
        offset = first + ORIGIN - begin * BLOCK
        return np.concatenate(drawn)[offset : offset + last - first]

    def _block(self, stream: int, number: int, width: int) -> np.ndarray:
        bits = np.random.Philox(key=[self.seed, (stream << 60) | number])
        return np.random.Generator(bits).standard_normal((BLOCK, width), np.float32)
