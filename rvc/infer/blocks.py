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
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rvc import memory
from rvc.nets.layers import Noise

SHORTEST = 8  # frames
BLOCK, GPU_BLOCK = 200, 2048  # longer ones fall out of a processor's cache, and fill any GPU
CPU = torch.device("cpu")

Sound = Any  # (N,) float32: an array, or `rvc.infer.gpu.Arriving`, which becomes one
Decode = Callable[[int, int, tuple[int, int]], Sound]


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
    ) -> Sound:
        """(1, I, T), (1, C, T * hop), (1, G, 1) -> sound of frames [keep[0], keep[1]) of z.

        Args:
            noise: for the layers that draw some, placed at the first frame of z; used once.

        Returns:
            ((keep[1] - keep[0]) * hop,) float32.
        """


class DecoderNetwork(Protocol):
    """What a network has to offer: `rvc.nets.layers.Decoder`, or an ONNX voice's decoder."""

    context_frames: int

    def __call__(
        self, z: Tensor, *, g: Tensor | None, source: Tensor | None, noise: Noise
    ) -> Tensor: ...


class TorchDecoder:
    """The network itself: the reference that every other way has to equal.

    Args:
        device: where it lies.
    """

    workers = 1

    def __init__(self, dec: DecoderNetwork, device: torch.device = CPU) -> None:
        self.dec, self.context = dec, dec.context_frames
        self.block = BLOCK if device.type == "cpu" else GPU_BLOCK

    @torch.inference_mode()
    def __call__(
        self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, keep: tuple[int, int]
    ) -> Sound:
        sound = self.dec(z, g=g, source=source, noise=noise)[0, 0]
        hop = len(sound) // z.shape[2]
        kept = sound[keep[0] * hop : keep[1] * hop]
        if kept.is_cuda:
            from rvc.infer.gpu import Arriving

            return Arriving(kept)
        return kept.float().cpu().numpy()


class Blocks:
    """Runs a decoder block by block, in as long ones as fit into memory.

    Args:
        frames: pitch frames (10 ms) per block, at most.
        field: frames that a sample of the result depends on, to either side.
        workers: blocks that are decoded at once.
        capacity: where a size that did not fit is remembered.
    """

    def __init__(
        self, frames: int, field: int, workers: int = 1, capacity: memory.Capacity | None = None
    ) -> None:
        self.most, self.field, self.workers = frames, field, workers
        self.capacity = capacity or memory.Capacity()

    @property
    def frames(self) -> int:
        """Pitch frames per block now."""
        return self.capacity.limit("decoder", self.most)

    def run(self, decode: Decode, first: int, last: int, low: int, high: int) -> Iterator[Sound]:
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
                memory.release_all()

    def _spans(self, first: int, last: int, frames: int) -> list[tuple[int, int]]:
        """[first, last) in equal blocks, enough of them to keep every worker busy to the end."""
        count = -(-(last - first) // frames)
        count = -(-count // self.workers) * self.workers
        edges = np.linspace(first, last, count + 1).round().astype(int).tolist()
        return [(a, b) for a, b in pairwise(edges) if b > a]

    def _decoded(
        self, decode: Decode, spans: list[tuple[int, int]], low: int, high: int
    ) -> Iterator[tuple[int, Sound]]:
        """(where a block ends, its sound), in order."""
        jobs = []
        for at, end in spans:
            a, b = max(low, at - self.field), min(high, end + self.field)
            jobs.append((end, partial(decode, a, b, (at - a, end - a))))
        if self.workers == 1:
            yield from ((end, job()) for end, job in jobs)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            ahead: deque[tuple[int, Future[Sound]]] = deque()
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
