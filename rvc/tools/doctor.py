"""The verb `doctor`: looks at what breaks most often, and names the command that mends it."""

from __future__ import annotations

import ctypes.util
import importlib.util
import locale
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from rvc import Report, config, silent
from rvc.errors import NotReady
from rvc.params import Doctor
from rvc.tools import checks
from rvc.tools.checks import Check


def module(name: str) -> Any:
    """A module, or None where it cannot be imported."""
    try:
        return import_module(name)
    except (ImportError, OSError):  # a shared library of it may be missing
        return None


def look() -> list[Check]:
    """Every check with the facts of this machine."""
    here = config.paths()
    folders = {"data": here.root, "cache": here.cache, "temporary": Path(tempfile.gettempdir())}
    torch = module("torch")
    found = checks.python() + checks.torch_build(torch, checks.nvidia_driver())
    found += checks.settings()
    readable = not any(f.state == "fatal" for f in found)
    found += checks.precision() if readable else []
    found += checks.onnxruntime(module("onnxruntime"))
    bundled = importlib.util.find_spec("_sounddevice_data") is not None
    found += checks.portaudio(ctypes.util.find_library, bundled)
    found += checks.disk(folders, lambda f: shutil.disk_usage(f).free, _writable)
    found += checks.models()
    found += checks.environment(os.environ, locale.getpreferredencoding(False))
    return found + checks.added()


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def run(
    p: Doctor, report: Report = silent, examine: Callable[[], list[Check]] = look
) -> dict[str, Any]:
    """Say what was found.

    Args:
        examine: gives the findings.

    Raises:
        NotReady: the default conversion cannot run; its `result` holds all findings.
    """
    findings = examine()
    fatal = [f for f in findings if f.state == "fatal"]
    problems = [f for f in findings if f.state == "problem"]
    end = f"{len(fatal)} fatal, {len(problems)} other problems."
    ready = "The default conversion can run." if not fatal else "The default conversion cannot run."
    result = {
        "ready": not fatal,
        "findings": [asdict(f) for f in findings],
        "message": "\n".join([*(f.line for f in findings), f"{ready} {end}"]),
    }
    if fatal:
        error = NotReady(f"The default conversion cannot run: {fatal[0].said}", fatal[0].mend)
        error.result = result
        raise error
    return result


def text() -> str:
    """The findings as lines, whether it can run or not."""
    try:
        return str(run(Doctor())["message"])
    except NotReady as error:
        return str((error.result or {})["message"])
