"""The loudest stretch of a recording, so that a setting can be heard before all is converted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rvc.audio import Account, io
from rvc.infer import WHOLE, Span

STEP_S = 0.1


def loudest(path: Path, seconds: float, track: int | None = None) -> Span:
    """Frames of the `seconds` that hold the most energy, found in one pass and constant memory.

    Returns:
        `WHOLE` where the recording is no longer than that.

    Raises:
        BadInput: as `rvc.audio.io.blocks`.
    """
    step, rate, frames = 1, 0, 0
    rest = np.zeros(0, np.float32)
    energies: list[np.ndarray] = []
    for block in io.blocks(path, mono=False, block_s=4.0, account=Account(), track=track):
        if not rate:
            rate, step = block.rate, max(1, round(STEP_S * block.rate))
        wave = block.wave if block.wave.ndim > 1 else block.wave[:, None]
        frames += len(wave)
        power = np.concatenate([rest, np.square(wave, dtype=np.float32).sum(axis=1)])
        whole = len(power) // step * step
        energies.append(power[:whole].reshape(-1, step).sum(axis=1, dtype=np.float64))
        rest = power[whole:]
    wanted = round(seconds * rate)
    if frames <= wanted:
        return WHOLE
    steps = max(1, round(wanted / step))
    until = np.concatenate([[0.0], np.cumsum(np.concatenate(energies))])
    sums = until[steps:] - until[:-steps]
    begin = min(int(sums.argmax()) * step if len(sums) else 0, frames - wanted)
    return begin, begin + wanted
