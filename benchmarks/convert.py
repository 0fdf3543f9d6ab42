"""Time, CPU time, memory and exactness of a conversion: ours beside a plain path, in one run.

    python benchmarks/convert.py --input speech.wav [--seconds 60] [--rounds 2] [--ways graphs]
    python benchmarks/convert.py --input speech.wav --pth voice.pth --index voice.index

Without --pth it makes a 40k HiFi-GAN voice, an embedder of HuBERT-base's size, RMVPE and an index
of random weights (benchmarks/material.py) in --material. Each row is a fresh process, the ways
taking turns, so that other work on the machine falls on all alike; where it is not idle compare
ratios rather than seconds. The ways:

    graphs   what `core.py infer` does: checked graphs, decoder blocks of 1 s, pieces of 8 s
    torch    the same without graphs
    plain    torch, pieces of 38 s, the decoder in one go: how the original works

Peak memory is the largest sum of resident memory of the process and all it started, looked at
every 20 ms; pages mapped from files (weights, libraries) count as much as others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("graphs", "torch", "plain")
COLUMNS = ("first call s", "cold s", "warm x", "warm CPU x", "peak MB", "anon MB")


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    except OSError:
        pass  # it has ended
    return found


class Watch(threading.Thread):
    """Looks at the resident and the anonymous memory of a family of processes until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak_mb, self.anon_mb = pid, 0.0, 0.0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.02):
            total = anon = 0
            for pid in family(self.pid):
                try:
                    said = Path(f"/proc/{pid}/status").read_text().splitlines()
                except OSError:
                    continue
                for line in said:
                    total += int(line.split()[1]) if line.startswith("VmRSS") else 0
                    anon += int(line.split()[1]) if line.startswith("RssAnon") else 0
            self.peak_mb = max(self.peak_mb, total * 1.024e-3)
            self.anon_mb = max(self.anon_mb, anon * 1.024e-3)


def watched(line: list[str], **env: str) -> tuple[float, Watch, str]:
    """Run a command: (wall s, memory, standard output)."""
    began = time.perf_counter()
    process = subprocess.Popen(
        line, env=dict(os.environ) | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    watch = Watch(process.pid)
    watch.start()
    out, complaint = process.communicate()
    watch.done.set()
    if process.returncode:
        raise SystemExit(complaint.decode())
    return time.perf_counter() - began, watch, out.decode()


def measure(way: str, args: argparse.Namespace) -> dict[str, float]:
    """One cold and one warm conversion in this process; the sound goes to --keep."""
    import numpy as np

    from rvc import Voice, convert, infer
    from rvc.audio.io import load
    from rvc.infer.pipeline import Pipeline

    wave, rate = load(args.input)
    wave = wave[: round(args.seconds * rate)]
    voice = Voice(args.pth, args.index, gpu=args.gpu)
    if way == "plain":
        infer.PIECE_S, voice.decoder.block = 38.0, 1 << 30
    first: list[float] = []
    estimate = Pipeline.pitch

    def noted(*given: Any) -> Any:  # before any network
        first.append(time.time())
        return estimate(*given)

    Pipeline.pitch = noted  # type: ignore[method-assign, assignment]
    options: dict[str, Any] = {"seed": 1, "f0_method": args.f0_method, "index_rate": 0.75}
    convert(voice, wave, rate, **options)
    cold = time.time() - args.began
    began, cpu = time.perf_counter(), time.process_time()
    out, _ = convert(voice, wave, rate, **options)
    warm, warm_cpu = time.perf_counter() - began, time.process_time() - cpu
    np.save(args.keep, out)
    seconds = len(wave) / rate
    return {
        "first": first[0] - args.began,
        "cold": cold,
        "warm": warm / seconds,
        "cpu": warm_cpu / seconds,
    }


def silence(args: argparse.Namespace) -> dict[str, float]:
    """Time of 30 s of speech with 9 s of silence in it, over that of 30 s without."""
    import numpy as np

    from rvc import Voice, convert, infer
    from rvc.audio.io import load
    from rvc.audio.levels import widened

    wave, rate = load(args.input, rate=16_000)
    level = infer.levels(wave)
    loud = widened(level > float(np.percentile(level, 95)) - 40, 16)  # 160 ms around sound
    loud = np.repeat(loud, infer.FRAME)
    dense = np.resize(wave[loud[: len(wave)]], 30 * rate)
    gaps = dense.copy()
    for start in range(3):
        gaps[(10 * start + 6) * rate : (10 * start + 9) * rate] = 0
    voice = Voice(args.pth, args.index, gpu=args.gpu)
    took = []
    for sound in (dense, dense, gaps):
        began = time.perf_counter()
        convert(voice, sound, rate, seed=1, f0_method=args.f0_method, index_rate=0.75)
        took.append(time.perf_counter() - began)
    return {"ratio": took[2] / took[1]}


def child(job: str, args: argparse.Namespace, keep: str = "") -> tuple[dict[str, float], Watch]:
    """`measure` or `silence` in a process of its own."""
    line = [sys.executable, __file__, *sys.argv[1:], "--pth", args.pth, "--job", job]
    line += ["--index", args.index] if args.index else []
    off = {"RVC_NO_GRAPHS": "1"} if job in ("torch", "plain") else {}
    line += ["--keep", keep, "--began", str(time.time())]
    _, watch, out = watched(line, **off)
    return json.loads(out.splitlines()[-1]), watch


def command_line(args: argparse.Namespace, folder: Path) -> None:
    """From the shell: help, the first conversion ever (graphs are made), and the next."""
    core = [sys.executable, str(ROOT / "core.py")]
    for words in (["--help"], ["infer", "--help"]):
        took = min(watched([*core, *words])[0] for _ in range(3))
        print(f"core.py {' '.join(words)}: {took:.2f} s")
    cut = folder / "cut.wav"
    from rvc.audio import io

    wave, rate = io.load(args.input)
    io.save(cut, wave[: round(args.seconds * rate)], rate)
    line = [*core, "infer", "--input-path", str(cut), "--output-path", str(folder / "out.wav")]
    line += ["--pth-path", args.pth, "--gpu", args.gpu, "--f0-method", args.f0_method]
    line += ["--index-path", args.index, "--index-rate", "0.75"] if args.index else []
    for note in ("first or cached", "cached"):
        took, watch, _ = watched(line)
        print(
            f"core.py infer, {args.seconds:.0f} s of sound, graphs {note}: {took:.1f} s, "
            f"peak {watch.peak_mb:.0f} MB (anonymous {watch.anon_mb:.0f} MB)",
            flush=True,
        )


def compare(sound: dict[str, Any]) -> None:
    """How far the ways' sounds are apart."""
    import numpy as np

    peak = max(np.abs(s).max() for s in sound.values())
    for a, b in (("graphs", "torch"), ("torch", "plain")):
        if a in sound and b in sound:
            error = np.abs(sound[a] - sound[b])
            rms = np.sqrt(np.mean(error**2) / np.mean(sound[b] ** 2))
            print(f"{a} against {b}: largest {error.max() / peak:.1e} of the peak, RMS {rms:.1e}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", required=True)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the input")
    parser.add_argument("--pth", default="")
    parser.add_argument("--index", default="")
    parser.add_argument("--material", default=str(ROOT / ".cache" / "benchmark"))
    parser.add_argument("--gpu", default="-")
    parser.add_argument("--f0-method", default="rmvpe")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--no-shell", action="store_true", help="leave the command line out")
    parser.add_argument("--job")
    parser.add_argument("--keep", default="")
    parser.add_argument("--began", type=float, default=0.0)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    sys.path.insert(0, str(ROOT))
    if args.job:
        done = silence(args) if args.job == "silence" else measure(args.job, args)
        print(json.dumps(done))
        return
    if not args.pth:
        from benchmarks import material

        home = Path(args.material)
        material.make(home)
        os.environ["RVC_HOME"] = str(home)
        args.pth, args.index = str(home / "voice.pth"), str(home / "voice.index")
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        if not args.no_shell:
            command_line(args, Path(folder))
        print(f"{'way':8}" + "".join(f"{n:>14}" for n in COLUMNS))
        kept = {way: str(Path(folder) / f"{way}.npy") for way in args.ways}
        for _ in range(args.rounds):
            for way in args.ways:
                row, watch = child(way, args, kept[way])
                numbers = [*row.values(), watch.peak_mb, watch.anon_mb]
                print(f"{way:8}" + "".join(f"{v:14.2f}" for v in numbers), flush=True)
        compare({way: np.load(file) for way, file in kept.items()})
        if "graphs" in args.ways:
            ratio = child("silence", args)[0]["ratio"]
            print(f"30 s of which 9 s are silent: {ratio:.2f} of the time of 30 s without silence")


if __name__ == "__main__":
    main()
