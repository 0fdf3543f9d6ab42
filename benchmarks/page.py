"""What opening the page costs: bytes over the wire, requests, seconds until usable, idle work.

    python benchmarks/page.py [--idle-s 20]

The program runs over an empty folder with the shipped voice; Chromium opens the page with an empty
cache, then once more with a warm one, then stays on it with nothing to do. Nothing else should run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.tabs import browsing  # noqa: E402

HEAVIEST = 8


class Wire:
    """Counts what a page loads, as it travels."""

    def __init__(self, context: Any, page: Any) -> None:
        self.urls: dict[str, str] = {}
        self.bytes: dict[str, int] = {}
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.loadingFinished", self._came)

    def _sent(self, event: Any) -> None:
        self.urls[event["requestId"]] = event["request"]["url"]

    def _came(self, event: Any) -> None:
        self.bytes[event["requestId"]] = round(event["encodedDataLength"])

    def say(self, seconds: float) -> None:
        total = sum(self.bytes.values())
        print(f"{total / 1000:.0f} kB in {len(self.bytes)} requests, usable after {seconds:.2f} s")

    def heaviest(self) -> list[str]:
        order = sorted(self.bytes, key=lambda key: -self.bytes[key])[:HEAVIEST]
        return [f"{self.bytes[key] / 1000:7.1f} kB {self.urls.get(key, '')}" for key in order]


def visit(context: Any, url: str) -> tuple[Any, Wire]:
    """Open the page and wait until it can be used."""
    page = context.new_page()
    wire = Wire(context, page)
    began = time.perf_counter()
    page.goto(url)
    page.locator("html[data-loaded]").wait_for(timeout=browsing.LIMIT_MS)
    seconds = time.perf_counter() - began
    page.wait_for_timeout(3000)  # what is loaded after it can be used counts, too
    wire.say(seconds)
    return page, wire


def idle(server: browsing.Server, page: Any, wire: Wire, seconds: float) -> None:
    """How much the server works for a page on which nothing happens."""
    process = psutil.Process(server.process.pid)
    before, asked = sum(process.cpu_times()[:2]), len(wire.bytes)
    page.wait_for_timeout(1000 * seconds)
    busy = sum(process.cpu_times()[:2]) - before
    asked = len(wire.bytes) - asked
    print(f"idle: {100 * busy / seconds:.2f} % of a core in the server, {asked} requests "
          f"in {seconds:.0f} s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle-s", type=float, default=20.0)
    seconds = parser.parse_args().idle_s
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        began = time.perf_counter()
        server = browsing.Server(home, program=["app.py"])
        print(f"the program answers after {time.perf_counter() - began:.2f} s")
        try:
            with browsing.launched() as chromium:
                context = chromium.new_context(**browsing.SHAPE)
                page, wire = visit(context, server.url)
                print("\n".join(wire.heaviest()))
                page.close()
                page, wire = visit(context, server.url)
                idle(server, page, wire, seconds)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
