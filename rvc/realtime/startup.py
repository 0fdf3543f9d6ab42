"""Before a session: load the voice, warm its networks, measure them, refuse what cannot keep up."""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rvc.errors import BadInput, VoiceError
from rvc.params import Live
from rvc.realtime import lease
from rvc.realtime.rings import Ring

if TYPE_CHECKING:
    from rvc.realtime.engine import Engine

HOPS = 12  # tried; the first ones are slower and do not count
COLD = 3
KEEPS_UP = 0.85  # of a block that its computation may take
LONGEST_MS = 500
SWITCH_S = 0.0005  # between threads of Python
LEVEL = 0.1  # of the noise they are tried on: RMS


def settle() -> None:
    """Make this process answer fast: its own core for the hop, no long collections of garbage."""
    import torch

    torch.set_num_threads(1)  # the pitch has a thread of its own; more would wait for one another
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    lease.hurry()


class MakeEngine(Protocol):
    """Loads what the settings ask for."""

    def __call__(self, live: Live, start: int = 0, heard: Ring | None = None) -> Engine: ...


def engine(live: Live, start: int = 0, heard: Ring | None = None) -> Engine:
    """The engine of the voice in `live`; arguments as of `Engine`.

    Raises:
        VoiceError: the voice is missing, damaged, or cannot be used live.
    """
    if live.pth_path is None:
        raise BadInput("No voice was chosen.", "Give its file with --pth-path.")
    from rvc.infer import voice as voices
    from rvc.onnx import accelerate
    from rvc.realtime.engine import Engine

    voice = voices.load(live.pth_path, live.index_path, live)
    voice.embedder = accelerate.live(voice.embedder)
    return Engine(voice, live, start, heard)


def prepared(
    live: Live, make: MakeEngine, force: bool, hops: int = HOPS
) -> tuple[Engine, list[float]]:
    """A fresh engine whose networks are warm, and what its hops cost in ms.

    Raises:
        VoiceError: it takes longer than sound lasts, and nobody said `force`.
    """
    costs = costs_ms(live, make, hops)
    block = live.timing.block
    if not force and float(np.median(costs)) > KEEPS_UP * block:
        raise VoiceError(*_too_slow(live, make, float(np.median(costs))))
    return make(live), costs


def costs_ms(live: Live, make: MakeEngine, hops: int) -> list[float]:
    """What hops of a loud noise cost, without the first ones."""
    tried = make(live.model_copy(update={"seed": 0, "gate_db": -90.0, "gate_auto": False}))
    noise = np.random.default_rng(0)
    costs = []
    for _ in range(hops + COLD):
        missing = tried.due - tried.heard.end
        tried.heard.write((LEVEL * noise.standard_normal(missing)).astype(np.float32))
        began = time.perf_counter()
        tried.hop()
        costs.append(1000 * (time.perf_counter() - began))
    tried.close()
    return costs[COLD:]


def _too_slow(live: Live, make: MakeEngine, cost_ms: float) -> tuple[str, str]:
    """What is said of a voice that cannot keep up: what it costs, and the block that would do."""
    block = live.timing.block
    said = f"{live.pth_path}: a block of {block} ms takes this machine {cost_ms:.0f} ms."
    more = "Choose a light voice (such as the demo voice), or a GPU; --force starts it anyway."
    longer = live.model_copy(update={"block_ms": LONGEST_MS})
    slope = (float(np.median(costs_ms(longer, make, 3))) - cost_ms) / (LONGEST_MS - block)
    fits = (cost_ms - slope * block) / (KEEPS_UP - slope) if slope < KEEPS_UP else np.inf
    wanted = int(np.ceil(fits / 20) * 20) if np.isfinite(fits) else 0
    if 0 < wanted <= LONGEST_MS:
        return said, f"With --block-ms {wanted} it would keep up. {more}"
    return said, f"No block up to {LONGEST_MS} ms would do. {more}"
