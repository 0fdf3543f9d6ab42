"""Where the warm process writes: its server's pipe, its own log, and the log of each job."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from contextlib import suppress
from typing import IO, Any

sink_of_thread = threading.local()  # `.file` is the log of the job of this thread


class Outputs:
    """Where this process and its libraries write: standard output and error, as the turn goes.

    Attributes:
        server: the server's pipe, which nothing else writes to.
        own: the process's own log, while no job has the turn.
    """

    def __init__(self) -> None:
        self.server = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self.own = os.dup(2)
        self.lock = threading.Lock()
        self.lead(self.own)

    def lead(self, number: int) -> None:
        """From now on what is printed goes to this file."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for standard in (1, 2):
            os.dup2(number, standard)

    def tell(self, **values: Any) -> None:
        """A line for the server, if it is still there."""
        with self.lock, suppress(OSError, ValueError):
            self.server.write(json.dumps(values) + "\n")
            self.server.flush()


class JobLog(logging.Handler):
    """Writes each record into the log of the job whose thread it comes from."""

    def emit(self, record: logging.LogRecord) -> None:
        file: IO[str] = getattr(sink_of_thread, "file", None) or sys.stderr
        with suppress(OSError, ValueError):
            file.write(self.format(record) + "\n")
            file.flush()
