"""The decoder on short overlapping blocks: the same sound as in one go, in little memory.

Long blocks fall out of the processor's cache and into page faults. Each block is computed with
as many frames more on both sides as a sample of the result can depend on, and cropped. Random
numbers are addressed by position: no cut, block size or thread changes the sound.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rvc import memory
from rvc.nets.layers import Noise

SHORTEST = 8  # frames
DRAWN = 1024  # rows drawn together
ORIGIN = 1 << 40  # makes positions before the start of the recording positive
LATENT, SOURCE, OFFSETS, DECODER = 0, 1, 2, 3  # streams, which never share values
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
    """What a network has to offer: `rvc.nets.layers.Decoder`, or an ONNX voice's decoder."""

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
        self, frames: int, field: int, workers: int = 1, capacity: memory.Capacity | None = None
    ) -> None:
        self.most, self.field, self.workers = frames, field, workers
        self.capacity = capacity or memory.Capacity()

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
                memory.release_all()

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
        begin, end = (first + ORIGIN) // DRAWN, -(-(last + ORIGIN) // DRAWN)
        draw = _kept if stream == LATENT else _drawn
        drawn = [draw(self.seed, stream, number, width) for number in range(begin, end)]
        offset = first + ORIGIN - begin * DRAWN
        if len(drawn) == 1:
            return drawn[0][offset : offset + last - first]
        return np.concatenate(drawn)[offset : offset + last - first]


def _drawn(seed: int, stream: int, number: int, width: int) -> np.ndarray:
    """Block `number` of a stream, (DRAWN, width)."""
    bits = np.random.Philox(key=[seed, stream], counter=[0, 0, number, 0])
    drawn = np.random.Generator(bits).standard_normal((DRAWN, width), np.float32)
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
