"""What a conversion does on a CUDA device and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Arriving:
    """Samples (N,) that a device sends while it is given its next work: an array when needed."""

    def __init__(self, samples: Tensor) -> None:
        self.host = torch.empty(samples.shape, dtype=torch.float32, pin_memory=True)
        self.host.copy_(samples, non_blocking=True)
        self.sent = torch.cuda.Event()
        self.sent.record()

    def __len__(self) -> int:
        return len(self.host)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self.sent.synchronize()
        return np.array(self.host.numpy(), dtype, copy=copy)
