"""Several processes training one voice, and the common case of one that needs none of it.

One process opens no group and no socket. With more, every rank works on its share of each
batch and the gradients are averaged before the optimiser's step, so all ranks stay equal.
torchrun starts `rvc.train` once per GPU (`rvc.train.launch` does it):

    torchrun --nproc-per-node 2 -m rvc.train PARAMETERS.json

The same line with `--nnodes`, `--node-rank` and `--rdzv-endpoint` spans several machines that
share the experiment's folder. `--batch-size` counts per process and the learning rate stays: the
gradient is the mean over all. Every restart, torchrun's elastic one included, goes on from the
state file.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from rvc.errors import Mismatch

CHUNK_VALUES = 1 << 23  # values averaged in one message
UNDER_WAY = 2  # messages that travel while the next one is packed

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process's place among all: `rank` of `world`, `local` on its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, indices: list[int]) -> list[int]:
        """This rank's part of a batch."""
        return indices[self.rank :: self.world]

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over the ranks, in place.

        Tensors travel packed; while some are on the way others are packed and unpacked.
        """
        if self.world == 1:
            return
        import torch.distributed as dist

        under_way: deque[tuple[list[Tensor], Tensor, Any]] = deque()
        for group in _groups(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in group])
            under_way.append((group, flat, dist.all_reduce(flat, async_op=True)))
            if len(under_way) > UNDER_WAY:
                self._arrived(*under_way.popleft())
        while under_way:
            self._arrived(*under_way.popleft())

    def _arrived(self, group: list[Tensor], flat: Tensor, message: Any) -> None:
        """Wait for a message and unpack it into its tensors."""
        message.wait()
        flat /= self.world
        sizes = [tensor.numel() for tensor in group]
        for old, new in zip(group, torch.split(flat, sizes), strict=True):
            old.copy_(new.view_as(old))

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Give every rank the first one's values, in place."""
        if self.world == 1:
            return
        import torch.distributed as dist

        for tensor in tensors:
            dist.broadcast(tensor, 0)

    def tell(self, value: T) -> T:
        """The first rank's value, on every rank."""
        if self.world == 1:
            return value
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box, 0)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Every rank's value, in the order of the ranks, on every rank."""
        if self.world == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set on any rank."""
        if self.world == 1:
            return flag
        import torch.distributed as dist

        count = torch.tensor(float(flag), device=device)
        dist.all_reduce(count)
        return bool(count.item() > 0)


def _groups(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one kind, as many as go into one message."""
    group: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if group and (size >= CHUNK_VALUES or tensor.dtype != group[0].dtype):
            yield group
            group, size = [], 0
        group.append(tensor)
        size += tensor.numel()
    if group:
        yield group


def join(device_type: str) -> Ranks:
    """Take part in the group torchrun has set up; alone where there is none."""
    if "TORCHELASTIC_RUN_ID" not in os.environ and "WORLD_SIZE" not in os.environ:
        return Ranks()
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Ranks()
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    return Ranks(dist.get_rank(), world, int(os.environ.get("LOCAL_RANK", "0")))


def leave(ranks: Ranks) -> None:
    """End the group."""
    if ranks.world > 1:
        import torch.distributed as dist

        dist.destroy_process_group()


def require_cuda(kind: str) -> None:
    """Several processes share their work over NCCL, or on CPUs over gloo, and nothing else.

    Raises:
        Mismatch: another kind of GPU.
    """
    if kind not in ("cuda", "cpu"):
        raise Mismatch(
            f"Training on several {kind.upper()} GPUs is not possible, only on one.",
            "Give one number, such as --gpu 0.",
        )
