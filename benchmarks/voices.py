"""How soon the lists of voices come: the first after a start, and warm.

    python benchmarks/voices.py [--voices 100] [--runs 20]

Makes small voices, each with an index, scores, tags and a picture, starts `app.py` over them and
asks for the lists that the API and the page ask for, over HTTP, from a process beside it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.clicks import Server  # noqa: E402
from tests import tiny  # noqa: E402

LISTS = ("voices", "voices/cards")
SAVES = 20
SETTLED_S = 2.5  # folders that changed less long ago are looked through again


def make(logs: Path, count: int) -> None:
    """Voices as trainings leave them, all with the same weights."""
    pattern = tiny.voice(logs / "pattern.pth")
    saves = [json.dumps({"kind": "validation", "step": i, "score": 1.0}) for i in range(SAVES)]
    for number in range(count):
        name = f"voice {number}"
        folder = logs / name
        folder.mkdir()
        shutil.copyfile(pattern, folder / f"{name}.pth")
        (folder / f"{name}.index").write_bytes(b"IwFl" + struct.pack("<i", tiny.EMBED_WIDTH))
        (folder / "metrics.jsonl").write_text("\n".join(saves))
        (folder / "card.json").write_text(json.dumps({"tags": ["one", "another"]}))
        (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    pattern.unlink()


def ask(server: Server, path: str, count: int) -> float:
    """Milliseconds until a whole list is there."""
    began = time.perf_counter()
    found = json.loads(server.ask(path))
    took = 1000 * (time.perf_counter() - began)
    if len(found) < count:
        raise SystemExit(f"{path} has {len(found)} voices, not {count}.")
    return took


def measure(home: Path, when: str, args: argparse.Namespace) -> None:
    """Print what a fresh server takes for each list."""
    server = Server(home, cold=False)
    try:
        for path in LISTS:
            took = [ask(server, path, args.voices) for _ in range(1 + args.runs)]
            warm = sorted(took[1:])
            spread = f"{warm[0]:.0f} to {warm[-1]:.0f}, median {warm[len(warm) // 2]:.0f}"
            print(f"{when}, {path}: the first {took[0]:.0f} ms, then {spread} ms")
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--voices", type=int, default=100)
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make(home / "logs", args.voices)
        time.sleep(SETTLED_S)
        measure(home, "nothing known", args)
        measure(home, "another start", args)


if __name__ == "__main__":
    main()
