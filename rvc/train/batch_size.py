"""The largest batch that fits into memory, found by doing real steps on throw-away networks."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import torch

from rvc.train.dataset import MAX_FRAMES, Batch
from rvc.train.state import State
from rvc.train.step import Recipe, train_step

log = logging.getLogger(__name__)

MOST = 64
SHARE = 0.85  # of the memory that is free
PAUSE_S = 0.02


def largest(make: Callable[[], State], recipe: Recipe, width: int, clips: int) -> int:
    """Clips per step that fit, at most as many as there are.

    Memory grows by the same amount per clip, so two small batches tell the size, and on a GPU
    one step of that size proves it. On a CPU a batch of more than 8 gains nothing.

    Args:
        make: builds networks and optimisers like those of the training.
        width: of the features, E.
    """
    limit = max(1, min(clips, MOST if recipe.device.type == "cuda" else 8))
    free = _free(recipe.device) * SHARE
    s = make()
    try:
        one, three = (_peak(s, recipe, width, size) for size in (1, 3))
        each = max(1.0, (three - one) / 2)
        size = max(1, min(limit, int((free - one) / each) + 1))
        while size > 1 and recipe.device.type == "cuda" and not _fits(s, recipe, width, size):
            size = max(1, size * 3 // 4)
    finally:
        del s
        gc.collect()
        if recipe.device.type == "cuda":
            torch.cuda.empty_cache()
    log.info("Batch size %d: %.2f GB per clip, %.1f GB free.", size, each / 1e9, free / SHARE / 1e9)
    return size


def _fits(s: State, recipe: Recipe, width: int, size: int) -> bool:
    try:
        return _peak(s, recipe, width, size) < _free(recipe.device) + _held(recipe.device)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return False


def _batch(recipe: Recipe, width: int, size: int) -> Batch:
    """The longest clips there can be."""
    frames = MAX_FRAMES
    f0 = torch.full((size, frames), 200.0)
    batch = Batch(
        phone=torch.randn(size, frames, width),
        pitch=torch.ones(size, frames, dtype=torch.long),
        f0=f0,
        wave=torch.randn(size, frames * recipe.settings.hop_length) * 0.05,
        lengths=torch.full((size,), frames),
        sid=torch.zeros(size, dtype=torch.long),
    )
    return batch.to(recipe.device)


def _peak(s: State, recipe: Recipe, width: int, size: int) -> float:
    """Most bytes a step of `size` clips holds beyond what was held before the networks."""
    batch = _batch(recipe, width, size)
    if recipe.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(recipe.device)
        train_step(s, batch, recipe)
        return float(torch.cuda.max_memory_reserved(recipe.device))
    with _Highest() as highest:
        train_step(s, batch, recipe)
    return float(highest.most - highest.first)


def _free(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return float(psutil.virtual_memory().available)


def _held(device: torch.device) -> float:
    return float(torch.cuda.memory_reserved(device))


@dataclass
class _Highest:
    """Watches how much memory this process holds."""

    first: int = 0
    most: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> _Highest:
        self.first = self.most = psutil.Process().memory_info().rss
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        process = psutil.Process()
        while not self.ended.wait(PAUSE_S):
            self.most = max(self.most, process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
