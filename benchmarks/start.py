"""How soon `python app.py` answers, and what it takes: seconds, memory, size of the page.

    python benchmarks/start.py [--runs 3]

Each run is a process of its own over an empty folder; the clock runs from its start to the first
whole answer to a request for the page.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
SETTLE_S = 5.0  # memory is read when the server has come to rest


def run() -> str:
    """Seconds and CPU seconds to the first answer, memory, whether torch was loaded, page size."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), "--port", str(port)],
            env=os.environ | {"RVC_HOME": home},
            stderr=subprocess.DEVNULL,
        )
        try:
            page = answer(f"http://127.0.0.1:{port}/", server)
            seconds = time.perf_counter() - began
            process = psutil.Process(server.pid)
            busy = sum(process.cpu_times()[:2])
            time.sleep(SETTLE_S)
            torch = any("libtorch" in m.path for m in process.memory_maps())
            loaded = "torch loaded" if torch else "torch not loaded"
            took = f"{seconds:.2f} s ({busy:.2f} s of CPU)"
            return f"{took}, {process.memory_info().rss / 1e6:.0f} MB, {loaded}, {len(page)} bytes"
        finally:
            server.terminate()
            server.wait(10)


def answer(url: str, server: subprocess.Popen[bytes]) -> bytes:
    """The page, as soon as it comes."""
    while server.poll() is None:
        try:
            found: bytes = urllib.request.urlopen(url).read()
            return found
        except OSError:
            time.sleep(0.02)
    raise SystemExit("The server ended.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    for number in range(parser.parse_args().runs):
        print(f"run {number + 1}: {run()}")


if __name__ == "__main__":
    main()
