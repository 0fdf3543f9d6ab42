"""Where PulseAudio or PipeWire has put our streams; it moves them without a word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any, Literal

ASKED_S = 1.0


def place(kind: Literal["input", "output"]) -> str:
    """Names of the sinks or sources our streams are connected to; empty where none can be told."""
    if shutil.which("pactl") is None:
        return ""
    streams, places, key = (
        ("source-outputs", "sources", "source")
        if kind == "input"
        else ("sink-inputs", "sinks", "sink")
    )
    ours = [
        item[key]
        for item in _listed(streams)
        if str(item.get("properties", {}).get("application.process.id")) == str(os.getpid())
    ]
    names = {item["index"]: item["name"] for item in _listed(places)} if ours else {}
    return ", ".join(sorted({str(names.get(number, "")) for number in ours} - {""}))


def _listed(what: str) -> list[dict[str, Any]]:
    try:
        done = subprocess.run(
            ["pactl", "-f", "json", "list", what],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASKED_S,
            check=True,
        )
        found = json.loads(done.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
