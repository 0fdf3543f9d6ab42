"""From a click to a result that can be played, over HTTP: cold, warm, five at once, a preview.

    python benchmarks/clicks.py [--clicks 5] [--f0-method fcpe] [--cold] [--load 2]

Starts `app.py` over an empty folder and converts three seconds of the demo's sample with the demo
voice. A click is `POST /api/infer?wait_s=` and the download of the result. `own work` is what the
conversion itself says it took, `overhead` the rest; memory is that of the server and of the process
that does its jobs when a click has ended, and the highest that process has had. `--cold` has each
job done by a process of its own; `--load` keeps so many other processes busy meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psutil
import soundfile

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / "rvc" / "models" / "kit" / "demo"
CLIP_S, LONG_S, PREVIEW_S = 3.0, 60.0, 10.0
COLD = """
from rvc import tasks
for name, verb in tasks.VERBS.items():
    tasks.VERBS[name] = tasks.Verb(verb.declared, verb.engine)
import app
app.main()
"""


class Server:
    """The program over a folder of its own."""

    def __init__(self, home: Path, cold: bool) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api/"
        program = ["-c", COLD] if cold else [str(ROOT / "app.py")]
        self.process = subprocess.Popen(
            [sys.executable, *program, "--port", str(port)],
            cwd=ROOT,
            env=os.environ | {"RVC_HOME": str(home)},
            stderr=subprocess.DEVNULL,
        )
        while self.process.poll() is None:
            try:
                self.ask("jobs")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("The server ended.")

    def ask(self, path: str, values: dict[str, Any] | None = None) -> bytes:
        """The answer to a request."""
        body = None if values is None else json.dumps(values).encode()
        asked = urllib.request.Request(
            self.url + path, body, {"content-type": "application/json"} if body else {}
        )
        found: bytes = urllib.request.urlopen(asked).read()
        return found

    def memory_mb(self) -> tuple[float, float]:
        """Resident memory of the server, and of the process that does its jobs."""
        mine = psutil.Process(self.process.pid)
        return mine.memory_info().rss / 1e6, sum(map(resident, mine.children(True))) / 1e6

    def stop(self) -> None:
        """End it, and what it has started."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        self.process.wait(20)
        psutil.wait_procs(family, 20)


def resident(process: psutil.Process) -> int:
    """Bytes that a process has in memory; none if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


class Peak:
    """The highest memory of the process that does the jobs, in MB, looked at ten times a second."""

    def __init__(self, server: Server) -> None:
        self.server, self.mb, self.ended = server, 0.0, threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self.ended.wait(0.1):
            self.mb = max(self.mb, self.server.memory_mb()[1])


def click(server: Server, source: Path, target: Path, **more: Any) -> tuple[float, float]:
    """(seconds from the request to the bytes of the result, those of the conversion itself)."""
    values = {"input_path": str(source), "output_path": str(target), "seed": 1}
    values |= {"pth_path": str(KIT / "demo.pth"), "gpu": "-"}
    began = time.perf_counter()
    job = json.loads(server.ask("infer?wait_s=600", values | more))
    if job["state"] != "done":
        raise SystemExit(job)
    name = Path(job["result"]["output_path"]).name
    sound = server.ask(f"files/{quote(name)}")
    seconds = time.perf_counter() - began
    if not sound:
        raise SystemExit("The result is empty.")
    return seconds, job["result"]["took_s"]


def measure(server: Server, home: Path, args: argparse.Namespace) -> None:
    """Print a table of clicks."""
    wave, rate = soundfile.read(KIT / "sample.flac")
    clip, long = home / "clip.wav", home / "long.wav"
    soundfile.write(clip, wave[: round(CLIP_S * rate)], rate)
    soundfile.write(long, np.resize(wave, round(LONG_S * rate)), rate)
    out = home / "assets" / "audios"
    method = {"f0_method": args.f0_method}
    heads = ("seconds", "own work", "overhead", "server MB", "worker MB")
    print(f"{'what':24}" + "".join(f"{head:>11}" for head in heads))
    peak = Peak(server)

    def row(what: str, seconds: float, work: float) -> None:
        values = (seconds, work, seconds - work)
        memory = "".join(f"{mb:11.0f}" for mb in server.memory_mb())
        print(f"{what:24}" + "".join(f"{value:11.2f}" for value in values) + memory, flush=True)

    for number in range(1, args.clicks + 1):
        row(f"click {number}", *click(server, clip, out / f"{number}.wav", **method))
    began = time.perf_counter()
    with ThreadPoolExecutor(5) as pool:
        names = [out / f"together {i}.wav" for i in range(5)]
        five = list(pool.map(lambda n: click(server, clip, n, **method), names))
    row("five at once", time.perf_counter() - began, sum(work for _, work in five))
    waited = ", ".join(f"{seconds:.2f}" for seconds in sorted(seconds for seconds, _ in five))
    print(f"  each of them: {waited}")
    more = method | {"preview_s": PREVIEW_S}
    row("preview, 10 s of 60 s", *click(server, long, out / "preview.wav", **more))
    peak.ended.set()
    print(f"highest memory of the worker: {peak.mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=5)
    parser.add_argument("--f0-method", default="fcpe")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--load", type=int, default=0)
    args = parser.parse_args()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.load)]
    try:
        print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            server = Server(home, args.cold)
            try:
                measure(server, home, args)
            finally:
                server.stop()
    finally:
        for process in busy:
            process.kill()


if __name__ == "__main__":
    main()
