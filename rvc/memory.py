"""Keeps a process modest: what glibc, oneDNN and OpenMP would hold on to for nothing.

Nothing of that changes a result, and on systems without glibc it does nothing. Beside it, how much
a network takes at once before memory runs out: whatever does not fit is cut in half.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from rvc.errors import VoiceError

if TYPE_CHECKING:  # the front ends load this without torch
    import numpy as np
    from torch import Tensor

    from rvc.turns import Turn

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
MAPPED_BYTES = 32 << 20  # tensors above this get pages of their own
NEVER = -1
CACHED_SHAPES = "8"  # 1024 otherwise

WAITING = "OMP_WAIT_POLICY"  # read by OpenMP when torch is loaded
NO_MEMORY = ("out of memory", "allocate memory", "failed to allocate", "bad_alloc")

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Made = TypeVar("Made")


def wait_quietly() -> None:
    """Threads of this process that wait for one another leave the processor to others meanwhile.

    Otherwise they spin, and what they spin away is missing elsewhere on a busy machine.
    Acts before torch is loaded; what somebody has set stays.
    """
    os.environ.setdefault(WAITING, "PASSIVE")


def limit_shape_caches() -> None:
    """Keep memory from growing with every new length of input that a network sees on a CPU.

    oneDNN keeps the code it makes for each length of each layer, 1024 of them, and so does the
    layer between torch and oneDNN: 1 MB for every few seconds of a recording, and holes around it.
    Making it again costs nothing that can be measured. Acts before the first convolution of the
    process.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", CACHED_SHAPES)
    os.environ.setdefault("LRU_CACHE_CAPACITY", CACHED_SHAPES)


current: ContextVar[Turn | None] = ContextVar("turn", default=None)


@contextmanager
def aside() -> Iterator[None]:
    """Do something meanwhile that is no computing, such as loading: nobody waits for it."""
    turn = current.get()
    if turn is None or not turn.held:
        yield
        return
    turn.give()
    try:
        yield
    finally:
        turn.take()


def release_freed() -> None:
    """Give freed memory back to the system; glibc would keep it."""
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def keep_freed() -> None:
    """Keep freed memory for the next step of a training: the kernel would clear each page again."""
    if platform.libc_ver()[0] != "glibc":
        return
    import ctypes

    libc = ctypes.CDLL(None)
    for option, value in ((M_MMAP_THRESHOLD, MAPPED_BYTES), (M_TRIM_THRESHOLD, NEVER)):
        if not libc.mallopt(option, value):
            log.debug("mallopt(%d) was refused.", option)


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device."""
    text = str(error).lower()
    if isinstance(error, MemoryError):
        return True
    raised_by_a_network = isinstance(error, RuntimeError) or type(error).__module__.startswith(
        "onnxruntime"
    )
    return raised_by_a_network and any(words in text for words in NO_MEMORY)


def release_all() -> None:
    """Give back what a failed attempt has left with the allocators, before the next one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    release_freed()


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
        log.warning("Out of memory: the %s goes on in shorter pieces.", network)

    def groups(
        self,
        network: str,
        compute: Callable[[Sequence[Item]], Sequence[Made]],
        items: Sequence[Item],
        most: int,
    ) -> Iterator[tuple[Item, Made]]:
        """Each item with what a network makes of it, `most` in one go or fewer where memory is
        short; for one alone `compute` has to find its own way.
        """
        at = 0
        while at < len(items):
            count = self.limit(f"{network}, several at once", most)
            group = items[at : at + count]
            try:
                made = compute(group)
            except Exception as error:  # those of onnxruntime have no common parent
                if len(group) == 1 or not ran_out(error):
                    raise
                self.halve(f"{network}, several at once", len(group), 1, error)
            else:
                yield from zip(group, made, strict=True)
                at += len(group)
                continue
            release_all()

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
                if not ran_out(error):
                    raise
                self.halve(network, min(longest, max(count, shortest)), shortest, error)
            release_all()  # out here nothing holds on to the failed attempt any more


def _joined(
    compute: Callable[[int, int], Tensor], count: int, longest: int, context: int, blended: bool
) -> Tensor:
    """Rows [0, count) from equal parts of at most `longest` rows and their context."""
    import numpy as np
    import torch

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
    import numpy as np

    at = (np.arange(first, last) + 0.5 - edge) / (2 * max(reach, 1)) + 0.5
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(at, 0.0, 1.0))
