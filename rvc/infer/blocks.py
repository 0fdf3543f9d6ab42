"""The decoder on short overlapping blocks: the same sound as in one go, in little memory.

Long blocks fall out of the processor's cache and into page faults. Each block is computed with
as many frames more on both sides as a sample of the result can depend on, and cropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rvc import memory
from rvc.infer.capacity import Capacity, release_memory
from rvc.nets.layers import Noise

SHORTEST = 8  # frames
Decode = Callable[[int, int, tuple[int, int]], np.ndarray]


class Decoder(Protocol):
    """Latents to sound, whatever computes it.

    Attributes:
        context: frames on both sides that a sample of the result can depend on.
        block: frames it makes at a time with the least effort.
        workers: calls that may run side by side.
    """

    context: int
    block: int
    workers: int

    def __call__(
        self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, keep: tuple[int, int]
    ) -> np.ndarray:
        """(1, I, T), (1, C, T * hop), (1, G, 1) -> sound of frames [keep[0], keep[1]) of z.

        Args:
            noise: for the layers that draw some, placed at the first frame of z; used once.

        Returns:
            ((keep[1] - keep[0]) * hop,) float32.
        """


class DecoderNetwork(Protocol):
    """What a network has to offer: `rvc.nets.hifigan.Decoder`, or an ONNX voice's decoder."""

    context_frames: int

    def __call__(
        self, z: Tensor, *, g: Tensor | None, source: Tensor | None, noise: Noise
    ) -> Tensor: ...


class TorchDecoder:
    """The network itself: the reference that every other way has to equal."""

    block = 200  # longer ones fall out of the processor's cache
    workers = 1

    def __init__(self, dec: DecoderNetwork) -> None:
        self.dec, self.context = dec, dec.context_frames

    @torch.inference_mode()
    def __call__(
        self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, keep: tuple[int, int]
    ) -> np.ndarray:
        sound = self.dec(z, g=g, source=source, noise=noise)[0, 0]
        hop = len(sound) // z.shape[2]
        return sound[keep[0] * hop : keep[1] * hop].float().cpu().numpy()


class Blocks:
    """Runs a decoder block by block, in as long ones as fit into memory.

    Args:
        frames: pitch frames (10 ms) per block, at most.
        field: frames that a sample of the result depends on, to either side.
        workers: blocks that are decoded at once.
        capacity: where a size that did not fit is remembered.
    """

    def __init__(
        self, frames: int, field: int, workers: int = 1, capacity: Capacity | None = None
    ) -> None:
        self.most, self.field, self.workers = frames, field, workers
        self.capacity = capacity or Capacity()

    @property
    def frames(self) -> int:
        """Pitch frames per block now."""
        return self.capacity.limit("decoder", self.most)

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
            frames = self.frames
            try:
                for end, sound in self._decoded(decode, self._spans(at, last, frames), low, high):
                    yield sound
                    at = end
            except Exception as error:  # those of onnxruntime have no common parent
                if not memory.ran_out(error):
                    raise
                self.capacity.halve("decoder", frames, SHORTEST, error)
            if at < last:
                release_memory()

    def _spans(self, first: int, last: int, frames: int) -> list[tuple[int, int]]:
        """[first, last) in equal blocks, enough of them to keep every worker busy to the end."""
        count = -(-(last - first) // frames)
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
