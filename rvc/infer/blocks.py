"""The decoder on short overlapping blocks: the same sound as in one go, in little memory.

Long blocks fall out of the processor's cache and into page faults. Each block is computed with
as many frames more on both sides as a sample of the result can depend on, and cropped.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np

from rvc.errors import VoiceError

LOG = logging.getLogger(__name__)
SHORTEST = 8  # frames
Decode = Callable[[int, int, tuple[int, int]], np.ndarray]


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
        frames: pitch frames (10 ms) per block, at most.
        field: frames that a sample of the result depends on, to either side.
        workers: blocks that are decoded at once.
    """

    def __init__(self, frames: int, field: int, workers: int = 1) -> None:
        self.frames, self.field, self.workers = frames, field, workers

    def run(
        self, decode: Decode, first: int, last: int, low: int, high: int
    ) -> Iterator[np.ndarray]:
        """Sound of frames [first, last) in order, block by block.

        Args:
            decode: (a, b, keep) -> sound of frames [keep[0], keep[1]) of [a, b), with zeros
                beyond.
            low, high: the frames that exist; [first, last) lies within.

        Raises:
            VoiceError: even the shortest block does not fit into memory.
        """
        at = first
        while at < last:
            try:
                for end, sound in self._decoded(decode, self._spans(at, last), low, high):
                    yield sound
                    at = end
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self._halve(error)

    def _spans(self, first: int, last: int) -> list[tuple[int, int]]:
        """[first, last) in equal blocks, enough of them to keep every worker busy to the end."""
        count = -(-(last - first) // self.frames)
        count = -(-count // self.workers) * self.workers
        edges = np.linspace(first, last, count + 1).round().astype(int).tolist()
        return [(a, b) for a, b in pairwise(edges) if b > a]

    def _decoded(
        self, decode: Decode, spans: list[tuple[int, int]], low: int, high: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(where a block ends, its sound), in order."""
        jobs = []
        for at, end in spans:
            a, b = max(low, at - self.field), min(high, end + self.field)
            jobs.append((end, partial(decode, a, b, (at - a, end - a))))
        if self.workers == 1:
            yield from ((end, job()) for end, job in jobs)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            ahead: deque[tuple[int, Future[np.ndarray]]] = deque()
            try:
                for end, job in jobs:
                    ahead.append((end, pool.submit(job)))
                    if len(ahead) > self.workers:
                        end, sound = ahead.popleft()
                        yield end, sound.result()
                while ahead:
                    end, sound = ahead.popleft()
                    yield end, sound.result()
            finally:
                for _, sound in ahead:
                    sound.cancel()

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
