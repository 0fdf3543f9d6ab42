"""Several processes training one voice, and the common case of one that needs none of it.

One process opens no group and no socket. With more, every rank works on its share of each
batch and the gradients are averaged before the optimiser's step, so all ranks stay equal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CHUNK_VALUES = 1 << 25  # values averaged in one message


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
        """Replace each tensor by its mean over the ranks, in place."""
        if self.world == 1:
            return
        import torch.distributed as dist

        group: list[Tensor] = []
        for tensor in [*tensors, None]:
            if tensor is not None:
                group.append(tensor)
            if group and (tensor is None or sum(t.numel() for t in group) >= CHUNK_VALUES):
                flat = torch.cat([t.reshape(-1) for t in group])
                dist.all_reduce(flat)
                flat /= self.world
                for old, new in zip(group, flat.split([t.numel() for t in group]), strict=True):
                    old.copy_(new.view_as(old))
                group = []

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Give every rank the first one's values, in place."""
        if self.world == 1:
            return
        import torch.distributed as dist

        for tensor in tensors:
            dist.broadcast(tensor, 0)

    def tell(self, value: Any) -> Any:
        """The first rank's value, on every rank."""
        if self.world == 1:
            return value
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box, 0)
        return box[0]

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set on any rank."""
        if self.world == 1:
            return flag
        import torch.distributed as dist

        count = torch.tensor(float(flag), device=device)
        dist.all_reduce(count)
        return bool(count.item() > 0)


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
