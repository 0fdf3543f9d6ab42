"""HTTP routes of the pitch editor: a recording's pitch as numbers, and pitch files.

Measuring is a job like any other; what was measured is kept in the cache while the recording stays
as it is. Edited curves lie in assets/audios/pitch, in the form that `infer --f0-file` reads.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body
from starlette.concurrency import run_in_threadpool

from rvc import jobs, params
from rvc.config import as_name, paths
from rvc.errors import BadInput, NotFound
from rvc.f0 import Method, curve_file
from rvc.server.fence import Fence, fresh

LONGEST = 24 * 3600 * curve_file.FRAME_RATE  # frames


def router(fence: Fence) -> APIRouter:
    """Routes below /api/pitch, without their prefix."""
    made = APIRouter(tags=["pitch"])

    async def curve(path: str, f0_method: Method) -> dict[str, Any]:
        """Its pitch in Hz, 100 values per second, 0 where unvoiced; null where not yet measured."""
        file = _measured(_readable(fence, path), f0_method)
        hz = await run_in_threadpool(_kept, file) if file.is_file() else None
        return {"frame_rate": curve_file.FRAME_RATE, "f0_hz": hz}

    async def measure(
        path: Annotated[str, Body()], f0_method: Annotated[Method, Body()]
    ) -> dict[str, Any]:
        recording = _readable(fence, path)
        p = params.F0Curve(input_path=recording, f0_method=f0_method, draw=False,
                           csv_path=_measured(recording, f0_method))  # fmt: skip
        return await run_in_threadpool(lambda: jobs.read(jobs.start("f0-curve", p)))

    async def read(path: str, frames: int) -> dict[str, Any]:
        """A pitch file as so many values, 100 per second."""
        file = _readable(fence, path)
        if not 0 < frames <= LONGEST:
            raise BadInput(f"{frames} is no length of a pitch curve.", "A recording's length.")
        hz = await run_in_threadpool(curve_file.read, file, frames)
        return {"frame_rate": curve_file.FRAME_RATE, "f0_hz": hz.tolist()}

    made.get("/pitch", summary="The measured pitch of a recording.")(curve)
    made.post("/pitch", status_code=202, summary="Measure it, as a job.")(measure)
    made.get("/pitch/file", summary="A pitch file, as JSON.")(read)
    made.post("/pitch/file", summary="Keep a curve as a pitch file.")(write)
    return made


async def write(
    name: Annotated[str, Body()], f0_hz: Annotated[list[float], Body(max_length=LONGEST)]
) -> dict[str, str]:
    """100 values per second in Hz, 0 where unvoiced; `name` is the recording's."""
    highest = curve_file.HIGHEST_HZ
    if not f0_hz or any(not math.isfinite(hz) or not 0 <= hz <= highest for hz in f0_hz):
        raise BadInput(f"The pitch of {name} is not from 0 to {highest:.0f} Hz.", "0 is unvoiced.")
    file = fresh(paths().audios / "pitch", f"{as_name(name, 'pitch')}.csv")
    await run_in_threadpool(curve_file.write, file, np.array(f0_hz))
    return {"path": str(file)}


def _readable(fence: Fence, path: str) -> Path:
    file = Path(path)
    try:
        if fence.may_read(file) and file.is_file():
            return file
    except (OSError, ValueError):  # a NUL byte, a loop of links
        pass
    raise NotFound(f"There is no file {path!r}.", "Choose one of the list.")


def _measured(recording: Path, method: str) -> Path:
    stat = recording.stat()
    said = f"{recording.resolve()}|{stat.st_mtime_ns}|{stat.st_size}|{method}"
    return (
        paths().cache
        / "pitch"
        / f"{hashlib.blake2b(said.encode(), digest_size=12).hexdigest()}.csv"
    )


def _kept(file: Path) -> list[float]:
    count = file.read_text(encoding="utf-8").count("\n") - 1
    found: list[float] = curve_file.read(file, count).tolist()
    return found
