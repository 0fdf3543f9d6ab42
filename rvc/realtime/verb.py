"""The verb realtime: devices, run, probe and file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rvc.errors import BadInput
from rvc.params import Realtime
from rvc.progress import Report


def run(p: Realtime, report: Report) -> dict[str, Any]:
    """What the action asks for.

    Raises:
        VoiceError: see the classes in rvc.errors.
    """
    return {"file": _file}[p.action](p, report)


def _file(p: Realtime, report: Report) -> dict[str, Any]:
    """Send a recording through a session as if it were spoken."""
    from rvc.audio import io
    from rvc.realtime.loaded import Loaded
    from rvc.realtime.ports import FilePort
    from rvc.realtime.session import Session
    from rvc.realtime.startup import engine

    if p.input_path is None:
        raise BadInput("No recording was given.", "Give it with --input-path.")
    target = p.output_path or p.implied_outputs()["output_path"]
    wave, rate = io.load(p.input_path)
    port = FilePort(wave, rate, round(p.chunk_ms * rate / 1000), p.paced)
    made = Loaded(engine, p.load) if p.load else engine
    session = Session(p, port, made, threaded=p.paced, force=p.force or not p.paced)
    session.start()
    delay = round(session.schedule.pace.delay * rate / 1000)
    step = rate  # a second
    total = len(wave) + delay
    for at in range(0, total, step):
        port.play(min(step, total - at), session.work)
        report(min(at + step, total) / rate, total / rate, "Live")
    session.stop()
    out = np.concatenate(port.heard)
    io.save(target, out, port.rate_out)
    figures = session.figures()
    return {
        "message": _sentence(figures, target),
        "output_path": str(target),
        "rate": port.rate_out,
        "frames": len(out),
        "figures": figures,
    }


def _sentence(figures: dict[str, Any], target: Path) -> str:
    said = f"{figures['seconds']:.1f} s, {figures['delay_ms']} ms late: {target}."
    if figures["late"]:
        said += f" {figures['late']} blocks came too late, {figures['missing_ms']:.0f} ms missing."
    return said
