"""What the server knows of the machine without loading torch itself: a child looks once."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

from rvc.config import REPOSITORY
from rvc.hub import catalog

LOOK = (
    "import json; from rvc import device; d = device.choose();"
    "print(json.dumps({'device': d.name, 'precision': str(d.dtype).split('.')[-1], 'why': d.why}))"
)
log = logging.getLogger(__name__)
_found: asyncio.Task[dict[str, str]] | None = None


async def device() -> dict[str, str]:
    """{"device": "cpu", "precision": "float32", "why": "CPU: …"}; slow only the first time."""
    global _found
    if _found is None or (_found.done() and "error" in _found.result()):
        _found = asyncio.create_task(_look())
    return await asyncio.shield(_found)


def ready() -> dict[str, str]:
    """Settings that work with the model files that are here, where the usual ones are absent."""
    chosen = {}
    if not catalog.one("predictors/rmvpe.pt").file.is_file():
        chosen["f0_method"] = "fcpe"
    if not all(asset.file.is_file() for asset in catalog.embedder("contentvec")):
        chosen["embedder_model"] = "mini"
    return chosen


async def _look() -> dict[str, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOOK, cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, complaints = await child.communicate()
    try:
        found: dict[str, str] = json.loads(out.decode().splitlines()[-1])
        return found
    except (ValueError, IndexError):
        cause = (complaints.decode(errors="replace").strip().splitlines() or ["no answer"])[-1]
        log.warning("Looking for a device failed: %s", cause)
        return {"device": "?", "precision": "?", "why": cause, "error": "unknown"}
