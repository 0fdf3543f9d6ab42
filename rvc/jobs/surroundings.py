"""What a job may have changed in its process, put back before it can reach the next one."""

from __future__ import annotations

import logging
import os
import random
import sys
import warnings
from typing import Any


class Surroundings:
    """The folder, variables, warnings, log handlers and settings of torch as they are now."""

    def __init__(self) -> None:
        self.folder = os.getcwd()  # noqa: PTH109 - a text outlives the folder
        self.variables = dict(os.environ)
        self.filters = list(warnings.filters)
        root = logging.getLogger()
        self.handlers, self.level = list(root.handlers), root.level
        self.torch = _torch_settings()

    def restore(self) -> None:
        """Put everything back; random numbers begin anew, at a place that nobody knows."""
        os.chdir(self.folder)
        if dict(os.environ) != self.variables:
            os.environ.clear()
            os.environ.update(self.variables)
        if list(warnings.filters) != self.filters:
            warnings.resetwarnings()  # Python forgets what it has looked up
            warnings.filters[:] = self.filters  # type: ignore[index]
        root = logging.getLogger()
        root.handlers[:] = self.handlers
        root.setLevel(self.level)
        random.seed()
        if (numpy := sys.modules.get("numpy")) is not None:
            numpy.random.seed()
        self._restore_torch()

    def _restore_torch(self) -> None:
        torch: Any = sys.modules.get("torch")
        if torch is None or not self.torch:
            return
        torch.seed()
        threads, dtype = self.torch
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(True)  # of this thread


def _torch_settings() -> tuple[Any, ...]:
    torch: Any = sys.modules.get("torch")
    return () if torch is None else (torch.get_num_threads(), torch.get_default_dtype())
