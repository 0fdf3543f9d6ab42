"""Time, CPU time and memory of a conversion: ours beside a plain path, in one run.

    python benchmarks/convert.py --pth voice.pth --input speech.wav [--index v.index] [--rounds 2]

Each round is a fresh process, the ways taking turns, so that other work on the machine falls on
all alike; compare ratios rather than seconds where it is not idle. The ways:

    graphs   what `core.py infer` does: checked graphs, decoder blocks of 4 s, pieces of 11 s
    torch    the same without graphs, decoder blocks of 2 s
    plain    torch, the decoder in one go over pieces of 38 s: the reference for sound and time
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("graphs", "torch", "plain")


def measure(way: str, args: argparse.Namespace, keep: Path) -> dict[str, float]:
    """One cold and one warm conversion in this process."""
    began, cpu = time.perf_counter(), time.process_time()
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from rvc import Voice
    from rvc.audio.io import load
    from rvc.infer import plan

    wave, rate = load(args.input)
    voice = Voice(args.pth, args.index, gpu=args.gpu)
    if way == "plain":
        plan.PIECE_S, voice.decoder.block = 38.0, 1 << 30
    ready = time.perf_counter() - began
    options = {"seed": 1, "f0_method": args.f0_method, "index_rate": 0.75}
    voice.convert(wave, rate, **options)
    cold, cold_cpu = time.perf_counter() - began, time.process_time() - cpu
    began, cpu = time.perf_counter(), time.process_time()
    out, _ = voice.convert(wave, rate, **options)
    warm, warm_cpu = time.perf_counter() - began, time.process_time() - cpu
    np.save(keep, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    seconds = len(wave) / rate
    return {
        "ready_s": ready,
        "cold_s": cold,
        "cold_cpu_s": cold_cpu,
        "warm_x": warm / seconds,
        "warm_cpu_x": warm_cpu / seconds,
        "peak_mb": peak,
    }


def child(way: str, argv: list[str], keep: Path) -> dict[str, float]:
    """The same in a process of its own."""
    env = dict(os.environ) | ({} if way == "graphs" else {"RVC_NO_GRAPHS": "1"})
    line = [sys.executable, __file__, *argv, "--way", way, "--keep", str(keep)]
    done = subprocess.run(line, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pth", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--index")
    parser.add_argument("--gpu", default="-")
    parser.add_argument("--f0-method", default="rmvpe")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--keep", default="")
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args.way, args, Path(args.keep))))
        return
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        kept = {way: Path(folder) / f"{way}.npy" for way in WAYS}
        child("graphs", sys.argv[1:], kept["graphs"])  # makes the graphs where there are none
        print(f"{'way':8}" + "".join(f"{n:>12}" for n in ("ready s", "cold s", "cold CPU s",
              "warm x", "warm CPU x", "peak MB")))  # fmt: skip
        for _ in range(args.rounds):
            for way in WAYS:
                row = child(way, sys.argv[1:], kept[way])
                print(f"{way:8}" + "".join(f"{v:12.2f}" for v in row.values()), flush=True)
        sound = {way: np.load(file) for way, file in kept.items()}
        peak = np.abs(sound["torch"]).max()
        error = np.abs(sound["graphs"] - sound["torch"]).max() / peak
        print(f"graphs against torch: {error:.1e} of the peak")


if __name__ == "__main__":
    main()
