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
SPARE = 4  # times as many are compared exactly as are wanted
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
        rows = max(1, PAIRS // max(len(self), SPARE * k * self.width))
        parts = [self._mixed(part, rate, min(k, len(self))) for part in features.split(rows)]
        return torch.cat(parts)

    def _mixed(self, queries: Tensor, rate: float, k: int) -> Tensor:
        centres, vectors = self.half_squares
        cells, _ = _nearest(queries, self.centres, centres - queries @ self.centres.T, self.probes)
        looked = torch.zeros(len(queries), len(centres), dtype=torch.bool, device=queries.device)
        looked.scatter_(1, cells, True)
        rough = vectors - queries @ self.vectors.T
        rough.masked_fill_(~looked[:, self.cell_of], torch.inf)
        found, square = _nearest(queries, self.vectors, rough, k)
        smallest = square[:, :1]
        exact = square == 0
        weight = torch.where(exact[:, :1], exact.to(square.dtype), (smallest / square).square())
        weight = weight / weight.sum(1, keepdim=True)
        near = self.vectors[found]
        mixed = rate * torch.einsum("tk,tkw->tw", weight, near) + (1 - rate) * queries
        return torch.where(smallest == torch.inf, queries, mixed)


def _nearest(queries: Tensor, rows: Tensor, rough: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Numbers (t, k) of the rows (n, W) nearest to queries (t, W), and their squared distances.

    Args:
        rough: (t, n) grows with the distance, but for the rounding of TF32; inf is out of reach.
    """
    near = torch.topk(rough, min(SPARE * k, len(rows)), largest=False)
    square = (rows[near.indices] - queries[:, None]).square().sum(2)
    best = torch.topk(square.masked_fill(near.values == torch.inf, torch.inf), k, largest=False)
    return near.indices.gather(1, best.indices), best.values
