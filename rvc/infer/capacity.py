"""How much a voice's networks take at once before memory runs out, learnt once per voice.

A graphics card that holds a decoder's block may not hold ten seconds of an embedder. Whatever does
not fit is cut in half, and the voice remembers it, so that the next file does not fail first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from rvc import memory
from rvc.errors import VoiceError

LOG = logging.getLogger(__name__)


def release_memory() -> None:
    """Give back what a failed attempt has left with the allocators, before the next one."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    memory.release_freed()


class Capacity:
    """The longest stretch that each network of a voice was able to take. Threads may share it.

    Attributes:
        longest: name of a network -> frames or rows; without an entry there is no limit yet.
    """

    def __init__(self) -> None:
        self.longest: dict[str, int] = {}

    def limit(self, network: str, wanted: int) -> int:
        """`wanted`, or less where that was too much before."""
        return min(wanted, self.longest.get(network, wanted))

    def halve(self, network: str, tried: int, shortest: int, error: BaseException) -> None:
        """Remember that `tried` did not fit.

        Raises:
            VoiceError: it was no more than `shortest` already.
        """
        if tried <= shortest:
            raise VoiceError(
                f"There is too little memory to run the {network} on the shortest possible piece.",
                "Close other programs, or convert on the CPU with --gpu -.",
            ) from error
        self.longest[network] = max(shortest, tried // 2)
        LOG.warning("Out of memory: the %s goes on in shorter pieces.", network)

    def rows(
        self,
        network: str,
        compute: Callable[[int, int], Tensor],
        count: int,
        context: int,
        blended: bool = True,
    ) -> Tensor:
        """What a network makes of `count` rows: in one go, or in parts where memory is short.

        Args:
            compute: (a, b) -> tensor (b - a, ...) of rows [a, b).
            context: rows that a part sees beyond its own on each side.
            blended: neighbours are cross-faded over the context of both, else cut between them.

        Raises:
            VoiceError: even parts as short as twice the context do not fit.
        """
        shortest = 2 * context
        while True:
            longest = max(1, self.limit(network, max(count, shortest)))
            try:
                return _joined(compute, count, longest, context, blended)
            except Exception as error:  # those of onnxruntime have no common parent
                if not memory.ran_out(error):
                    raise
                self.halve(network, min(longest, max(count, shortest)), shortest, error)
            release_memory()  # out here nothing holds on to the failed attempt any more


def _joined(
    compute: Callable[[int, int], Tensor], count: int, longest: int, context: int, blended: bool
) -> Tensor:
    """Rows [0, count) from equal parts of at most `longest` rows and their context."""
    parts = max(1, -(-count // longest))
    if parts == 1:
        return compute(0, count)
    edges = np.linspace(0, count, parts + 1).round().astype(int).tolist()
    reach = min(context, min(b - a for a, b in pairwise(edges)) // 2)  # ramps never meet
    out: Tensor | None = None
    for begin, end in pairwise(edges):
        first, last = max(0, begin - context), min(count, end + context)
        made = compute(first, last)
        if out is None:
            out = made.new_zeros(count, *made.shape[1:])
        gain = _ramp(first, last, begin, reach) if begin else np.ones(last - first)
        if end < count:
            gain = gain * (1 - _ramp(first, last, end, reach))
        gain = gain if blended else np.round(gain)
        shape = (-1, *[1] * (made.dim() - 1))
        out[first:last] += made * torch.from_numpy(gain).to(made).reshape(shape)
    assert out is not None
    return out


def _ramp(first: int, last: int, edge: int, reach: int) -> np.ndarray:
    """(last - first,) raised cosine from 0 to 1 over the rows edge - reach .. edge + reach."""
    at = (np.arange(first, last) + 0.5 - edge) / (2 * max(reach, 1)) + 0.5
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(at, 0.0, 1.0))
