"""The decoder on short overlapping blocks: the same sound as in one go, in little memory.

Long blocks fall out of the processor's cache and into page faults. Each block is computed with
as many frames more on both sides as a sample of the result can depend on, and cropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np

from rvc.errors import VoiceError

LOG = logging.getLogger(__name__)
SHORTEST = 8  # frames


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in text or "allocate memory" in text or "bad_alloc" in text)
    )


class Blocks:
    """Runs a decoder block by block and remembers the size that fits into memory.

    Args:
        frames: pitch frames (10 ms) per block.
        field: frames that a sample of the result depends on, to either side.
    """

    def __init__(self, frames: int, field: int) -> None:
        self.frames, self.field = frames, field

    def run(
        self,
        decode: Callable[[int, int], np.ndarray],
        first: int,
        last: int,
        low: int,
        high: int,
        hop: int,
    ) -> Iterator[np.ndarray]:
        """Sound of frames [first, last) in order, as arrays of a multiple of `hop` samples.

        Args:
            decode: (a, b) -> ((b - a) * hop,) samples of frames [a, b), with zeros beyond.
            low, high: the frames that exist; [first, last) lies within.

        Raises:
            VoiceError: even the shortest block does not fit into memory.
        """
        at = first
        while at < last:
            end = min(at + self.frames, last)
            a, b = max(low, at - self.field), min(high, end + self.field)
            try:
                sound = decode(a, b)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._halve(error)
                continue
            yield sound[(at - a) * hop : (end - a) * hop]
            at = end

    def _halve(self, error: BaseException) -> None:
        if self.frames <= SHORTEST:
            raise VoiceError(
                "There is too little memory to convert even 0.1 seconds at a time.",
                "Close other programs, or convert on the CPU with --gpu -.",
            ) from error
        self.frames = max(SHORTEST, self.frames // 2)
        LOG.warning("Out of memory: going on with blocks of %.2f s.", self.frames / 100)


def fades(start: bool, stop: bool, frames: int, hop: int) -> np.ndarray:
    """Gain for the sound of frames [-1, frames + 1) around a piece: raised-cosine ramps of 20 ms.

    Neighbouring pieces add up to one. Where `start` or `stop` is False there is no neighbour and
    no silence but the end of the recording: no ramp.
    """
    gain = np.ones((frames + 2) * hop, np.float32)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))).astype(np.float32)
    if start:
        gain[: 2 * hop] *= ramp
    if stop:
        gain[-2 * hop :] *= ramp[::-1]
    return gain
