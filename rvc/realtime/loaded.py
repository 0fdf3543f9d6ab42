"""An engine that is given other work to do, to see what becomes of a session on a busy machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from rvc.params import Live
from rvc.realtime.rings import Ring
from rvc.realtime.startup import MakeEngine

if TYPE_CHECKING:
    from rvc.realtime.engine import Engine


class Loaded:
    """Makes engines whose hops take longer by `load` blocks.

    Args:
        make: makes the engine itself.
        load: of the length of a block.
    """

    def __init__(self, make: MakeEngine, load: float) -> None:
        self.make, self.load = make, load

    def __call__(self, live: Live, start: int = 0, heard: Ring | None = None) -> Engine:
        engine = self.make(live, start, heard)
        hop = engine.hop

        def loaded() -> np.ndarray:
            time.sleep(self.load * engine.timing.block / 1000)
            return hop()

        engine.hop = loaded  # type: ignore[method-assign]
        return engine
