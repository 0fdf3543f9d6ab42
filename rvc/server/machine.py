"""What the server knows of the machine without loading torch itself: a child looks once."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

from fastapi.responses import PlainTextResponse

from rvc import params, processes
from rvc.config import REPOSITORY
from rvc.embedders import SHIPPED
from rvc.hub import catalog

LOOK = (
    "import json; from rvc import device; d = device.choose();"
    "print(json.dumps({'device': d.name, 'precision': str(d.dtype).split('.')[-1], 'why': d.why}))"
)
EXAMINE = (
    "import sys; from rvc.tools import doctor;"
    "sys.stdout.reconfigure(encoding='utf-8'); print(doctor.text())"
)
EXAMINE_S = 300.0
WITHOUT_DOWNLOAD: dict[str, Any] = {  # what ships with the program
    "f0_method": "swift-f0",
    "embedder_model": SHIPPED,
    "vocoder": "lite",
    "sample_rate": 24000,
}
log = logging.getLogger(__name__)
_examining = threading.Lock()
_found: asyncio.Task[dict[str, str]] | None = None


async def device() -> dict[str, str]:
    """{"device": "cpu", "precision": "float32", "why": "CPU: …"}; slow only the first time."""
    global _found
    if _found is None or (_found.done() and "error" in _found.result()):
        _found = asyncio.create_task(_look())
    return await asyncio.shield(_found)


def ready() -> dict[str, dict[str, Any]]:
    """Settings that work with the model files that are here.

    Returns:
        "chosen": value by name of parameter; "instead": the usual value where another is chosen.
    """
    fields = params.CreateVoice.model_fields
    usual = {name: fields[name].default for name in WITHOUT_DOWNLOAD}
    base = [catalog.one(f"pretraineds/hifi-gan/f0{kind}40k.pth") for kind in "GD"]
    files = {
        "f0_method": [catalog.one("predictors/rmvpe.pt")],
        "embedder_model": catalog.embedder("contentvec"),
        "vocoder": base,
        "sample_rate": base,
    }
    absent = [n for n, needed in files.items() if not all(a.file.is_file() for a in needed)]
    return {
        "chosen": usual | {name: WITHOUT_DOWNLOAD[name] for name in absent},
        "instead": {name: usual[name] for name in absent},
    }


def doctor() -> PlainTextResponse:
    """What `doctor` finds, as text; looked for anew by a child, one at a time."""
    with _examining:
        done = processes.run(["-c", EXAMINE], EXAMINE_S)
    said = done.stderr if done.returncode else done.stdout
    return PlainTextResponse(said.decode(errors="replace"), 500 if done.returncode else 200)


async def _look() -> dict[str, str]:
    try:
        child = await asyncio.create_subprocess_exec(
            *processes.line(["-c", LOOK]), env=processes.environment(), cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:  # out of memory or of processes: asked again the next time
        return _unknown(str(error))
    out, complaints = await child.communicate()
    try:
        found: dict[str, str] = json.loads(out.decode().splitlines()[-1])
        return found
    except (ValueError, IndexError):
        cause = (complaints.decode(errors="replace").strip().splitlines() or ["no answer"])[-1]
        return _unknown(cause)


def _unknown(cause: str) -> dict[str, str]:
    log.warning("Looking for a device failed: %s", cause)
    return {"device": "?", "precision": "?", "why": cause, "error": "unknown"}
