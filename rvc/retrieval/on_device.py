"""Retrieval on a GPU: the whole table lies there, and every search is a matrix product."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rvc import memory

if TYPE_CHECKING:
    from rvc.retrieval.index import Retriever

PAIRS = 1 << 25  # of a query and a vector that are compared at a time: 128 MB of distances
LOG = logging.getLogger(__name__)


def on_device(retriever: Retriever, device: torch.device) -> DeviceRetriever | HostRetriever:
    """The index on a GPU, or with the processor where it does not fit there."""
    try:
        return DeviceRetriever(retriever, device)
    except Exception as error:
        if not memory.ran_out(error):
            raise
        LOG.warning("%s does not fit into the GPU's memory: searched outside.", retriever.name)
    memory.release_all()
    return HostRetriever(retriever)


class HostRetriever:
    """A `Retriever` asked with features that lie on a GPU."""

    def __init__(self, retriever: Retriever) -> None:
        self.retriever = retriever

    def __len__(self) -> int:
        return len(self.retriever)

    def blend(self, features: Tensor, rate: float) -> Tensor:
        """As `Retriever.blend`, from and to the device."""
        found = self.retriever.blend(features.cpu().numpy(), rate)
        return torch.from_numpy(found).to(features.device)


class DeviceRetriever:
    """As `Retriever`, whose neighbours it finds: the nearest in the cells that a query looks into.

    Args:
        retriever: whose table is copied. device: a GPU.
    """

    def __init__(self, retriever: Retriever, device: torch.device) -> None:
        table = retriever.table
        self.width, self.probes = retriever.width, table.probes
        self.centres, self.vectors, bounds = (
            torch.tensor(values, device=device)
            for values in (table.centres, table.vectors, table.bounds)
        )
        cells = torch.arange(len(self.centres), device=device)
        self.cell_of = torch.repeat_interleave(cells, bounds.diff())
        self.half_squares = tuple(0.5 * x.square().sum(1) for x in (self.centres, self.vectors))

    def __len__(self) -> int:
        return len(self.vectors)

    @torch.inference_mode()
    def blend(self, features: Tensor, rate: float, k: int = 8) -> Tensor:
        """(T, W) -> (T, W); as `Retriever.blend`, on the device."""
        if rate <= 0 or not len(self):
            return features
        rows = max(1, PAIRS // len(self))
        parts = [self._mixed(part, rate, min(k, len(self))) for part in features.split(rows)]
        return torch.cat(parts)

    def _mixed(self, queries: Tensor, rate: float, k: int) -> Tensor:
        centres, vectors = self.half_squares
        cells = torch.topk(queries @ self.centres.T - centres, self.probes).indices  # (t, probes)
        looked = torch.zeros(len(queries), len(centres), dtype=torch.bool, device=queries.device)
        looked.scatter_(1, cells, True)
        rough = vectors - queries @ self.vectors.T
        rough.masked_fill_(~looked[:, self.cell_of], torch.inf)
        best = torch.topk(rough, k, largest=False)
        near = self.vectors[best.indices]  # (t, k, W)
        square = (near - queries[:, None]).square().sum(2)
        square.masked_fill_(best.values == torch.inf, torch.inf)
        smallest = square.amin(1, keepdim=True)
        exact = square == 0
        weight = torch.where(
            exact.any(1, keepdim=True), exact.to(square.dtype), (smallest / square).square()
        )
        weight = weight / weight.sum(1, keepdim=True)
        mixed = rate * torch.einsum("tk,tkw->tw", weight, near) + (1 - rate) * queries
        return torch.where(smallest == torch.inf, queries, mixed)
