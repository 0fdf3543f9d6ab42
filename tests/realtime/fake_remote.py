"""The live process with engines that only echo, and so without torch, which takes long to load."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rvc.errors import BadInput
from rvc.params import Live
from rvc.realtime import startup
from rvc.realtime.loaded import Loaded
from rvc.realtime.rings import Ring
from rvc.realtime.worker import LiveWorker
from tests.realtime.echo import Echo

if TYPE_CHECKING:
    from rvc.realtime.engine import Engine


def make(live: Live, start: int = 0, heard: Ring | None = None) -> Engine:
    """An echo; a voice whose name says so is too slow, broken, or takes the process with it."""
    name = live.pth_path.stem if live.pth_path else ""
    if name == "broken":
        raise BadInput(f"{name} is damaged.", "Fetch it again.")
    if name == "deadly":
        print("the engine fell over", file=sys.stderr, flush=True)
        os._exit(9)
    echo: Engine = Echo(live, start, heard)  # type: ignore[assignment]
    return Loaded(lambda *a: echo, 1.0)(live) if name == "slow" else echo


if __name__ == "__main__":
    startup.settle = lambda: None
    LiveWorker(sys.stdin.buffer, sys.stdout.buffer, make).serve()
