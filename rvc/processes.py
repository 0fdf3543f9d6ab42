"""Starts processes of this program: with the same Python, and its modules wherever it was started.

A process is given as arguments of Python, `["-m", "rvc.jobs", ...]`. Checkout and installed package
behave alike: the folder that holds `rvc` is on the search path of the new process, the current
folder is not, and `RVC_HOME` means the same place there.
"""

from __future__ import annotations

import logging
import os
import signal
import site
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from rvc.config import REPOSITORY
from rvc.memory import WAITING

WINDOWS = os.name == "nt"
NEW_GROUP, NO_WINDOW = 0x0000_0200, 0x0800_0000  # flags of CreateProcess
CTRL_BREAK = getattr(signal, "CTRL_BREAK_EVENT", 1)

log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """A process as subprocess and psutil know it."""

    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...


def line(arguments: Sequence[str]) -> list[str]:
    """The command line that gives `arguments` to this Python."""
    return [sys.executable, *arguments]


def environment(**variables: str) -> dict[str, str]:
    """Variables for a process of this program: ours, what finds its modules, and `variables`."""
    found = {WAITING: "PASSIVE", **os.environ}
    given = [p for p in found.get("PYTHONPATH", "").split(os.pathsep) if p]
    known = {*given, *site.getsitepackages(), site.getusersitepackages()}
    if str(REPOSITORY) not in known:
        found["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), *given])
    found["PYTHONSAFEPATH"] = "1"  # a file json.py in the current folder is not ours
    if home := found.get("RVC_HOME"):
        found["RVC_HOME"] = str(Path(home).resolve())
    return found | variables


def run(
    arguments: Sequence[str],
    timeout_s: float,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | int = subprocess.PIPE,
    **variables: str,
) -> subprocess.CompletedProcess[bytes]:
    """Wait for a process that does one thing for us; its stderr, and stdout if not given, is kept.

    Raises:
        subprocess.TimeoutExpired: it took longer and was killed.
    """
    return subprocess.run(
        line(arguments),
        cwd=REPOSITORY,
        env=environment(**variables),
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=timeout_s,
        check=False,
        creationflags=NO_WINDOW if WINDOWS else 0,
    )


def start(arguments: Sequence[str], **variables: str) -> subprocess.Popen[bytes]:
    """Start a process that belongs to this one: it writes where we do, and gets our Ctrl-C."""
    return subprocess.Popen(line(arguments), env=environment(**variables))


def start_detached(
    arguments: Sequence[str], output: IO[bytes], **variables: str
) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one: no signal and no closed window of ours reaches it."""
    return subprocess.Popen(
        line(arguments),
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        **detachment(),
    )


def start_worker(arguments: Sequence[str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a process that is talked to by its standard input and output, else like a detached one.

    Args:
        errors: gets its standard error.
    """
    return subprocess.Popen(
        line(arguments),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        **detachment(),
    )


def detachment() -> dict[str, Any]:
    """How this system is asked for a process of its own: a session, or a group with no window."""
    if WINDOWS:
        return {"creationflags": NEW_GROUP | NO_WINDOW}
    return {"start_new_session": True}


def ask_to_end(process: Stoppable) -> None:
    """Ask a process politely: SIGTERM, or Ctrl-Break on Windows, where SIGTERM kills.

    Raises:
        OSError, psutil.Error: on POSIX, it is gone. On Windows Ctrl-Break reaches only processes
            that share our console, so the caller needs another way to tell it as well.
    """
    if not WINDOWS:
        process.terminate()
        return
    try:
        process.send_signal(CTRL_BREAK)
    except (OSError, ValueError) as error:
        log.debug("Ctrl-Break was not delivered: %s", error)
