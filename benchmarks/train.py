"""Time and memory of a training step: the plain reference step and the one in use, in one run.

    python benchmarks/train.py [--batch 4 ...] [--steps 6] [--device cpu] [--dtype fp32 ...]

Each runs in a process of its own (peak memory is the process's), fed with the same synthetic
clips of 3 s at 40 kHz; the processes take turns step by step, so that whatever else the machine
does meets both alike. Printed are medians after the first step, the fastest step and the ratios;
where other programs load the machine, the fastest step says most. On a GPU the default is a
table of every precision at batches of 4 to 32.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script, not part of the package

FRAMES = 300
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


def clips(settings: Any, batch: int, step: int) -> Any:
    """A batch of noisy buzzes with features, a function of `step`."""
    from rvc.train.dataset import Batch

    torch.manual_seed(step)
    t = torch.arange(FRAMES * settings.hop_length) / settings.sample_rate
    f0 = 100 + 100 * torch.rand(batch, 1)
    partials = [torch.sin(2 * torch.pi * k * f0 * t) / k for k in range(1, 9)]
    wave = torch.stack(partials).sum(0) * 0.1
    return Batch(
        phone=torch.randn(batch, FRAMES, 768),
        pitch=torch.randint(1, 256, (batch, FRAMES)),
        f0=f0.expand(-1, FRAMES).contiguous(),
        wave=wave + 0.003 * torch.randn_like(wave),
        lengths=torch.full((batch,), FRAMES),
        sid=torch.zeros(batch, dtype=torch.long),
    )


def work(kind: str, args: argparse.Namespace, pipe: Any) -> None:
    """One contestant: does a step whenever told to, answers with its time and losses."""
    from rvc import memory
    from rvc.device import Device, use_kernels
    from rvc.nets import VOCODERS, config
    from rvc.params import Train
    from rvc.train import build
    from rvc.train.distributed import Ranks
    from rvc.train.material import Material
    from rvc.train.step import train_step
    from tests.train.reference_step import make_plain, reference_step

    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    tf32 = args.dtype == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True  # as the original does
    if kind == "ours":
        use_kernels(device, tf32, tuned=True)
        if device.type == "cpu":
            memory.keep_freed()
    p = Train(
        model_name="x", sample_rate=args.rate, save_every_epoch=1, vocoder=args.vocoder,
        batch_size=args.batch,
    )  # fmt: skip
    voice = config.load(args.rate, args.vocoder)
    m = Material([], [], voice, 768, {}, {}, {})
    chosen = Device(device, DTYPES[args.dtype], "as asked")
    s = build.networks(p, m, chosen, 1)
    recipe = build.recipe(p, m, chosen, Ranks())
    step = train_step
    if kind == "reference":
        make_plain(s, recipe)
        step = reference_step
    assert VOCODERS[args.vocoder]
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        batch = clips(voice, args.batch, number).to(device)
        s.step = number
        began, cpu = time.perf_counter(), time.process_time()
        found = {name: float(value) for name, value in step(s, batch, recipe).items()}
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        pipe.send((seconds, found, peak_gb(device), cpu))


def peak_gb(device: torch.device) -> float:
    """Most memory held so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    gpu = torch.cuda.is_available()
    parser.add_argument("--batch", type=int, nargs="+", default=[4, 8, 16, 32] if gpu else [4])
    parser.add_argument("--steps", type=int, default=20 if gpu else 6)
    parser.add_argument("--rate", type=int, default=40000)
    parser.add_argument("--vocoder", default="HiFi-GAN")
    parser.add_argument("--device", default="cuda" if gpu else "cpu")
    parser.add_argument(
        "--dtype", choices=DTYPES, nargs="+", default=list(DTYPES)[: 3 if gpu else 1]
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    rows = []
    for dtype in args.dtype:
        for batch in args.batch:
            case = argparse.Namespace(**vars(args) | {"dtype": dtype, "batch": batch})
            rows.append(f"{dtype:6s}{batch:4d}   {compare(case)}")
    if len(rows) > 1:
        print("\ndtype batch   steps/s: reference, ours; time and memory, ours / reference")
        print(*rows, sep="\n")


def compare(args: argparse.Namespace) -> str:
    """Both contestants in one setting; a line for the table."""
    spawn = multiprocessing.get_context("spawn")
    pipes, workers = {}, []
    for kind in ("reference", "ours"):
        pipes[kind], theirs = spawn.Pipe()
        workers.append(spawn.Process(target=work, args=(kind, args, theirs), daemon=True))
        workers[-1].start()
    for pipe in pipes.values():
        pipe.recv()
    load_before = os.getloadavg()[0]
    found: dict[str, list[Any]] = {kind: [] for kind in pipes}
    for step in range(args.steps):
        for kind, pipe in pipes.items():
            pipe.send(step)
            found[kind].append(pipe.recv())
            seconds, _, peak, cpu = found[kind][-1]
            print(f"{step} {kind}: {seconds:.2f} s, CPU {cpu:.2f} s, {peak:.2f} GB", flush=True)
    for pipe in pipes.values():
        pipe.send(None)
    for worker in workers:
        worker.join()
    return show(args, found, load_before)


def show(args: argparse.Namespace, found: dict[str, list[Any]], load: float) -> str:
    """Print what was measured; returns the line for the table."""
    print(
        f"{args.vocoder} {args.rate} Hz, batch {args.batch}, {args.dtype}, {args.device}, "
        f"{args.threads} threads, torch {torch.__version__}; load before {load:.1f}, "
        f"now {os.getloadavg()[0]:.1f}"
    )
    medians, fastest, peaks, cpus = {}, {}, {}, {}
    for kind, steps in found.items():
        times = [step[0] for step in steps]
        medians[kind], fastest[kind] = statistics.median(times[1:] or times), min(times)
        cpus[kind] = statistics.median([step[3] for step in steps][1:] or [steps[0][3]])
        peaks[kind] = steps[-1][2]
        each = " ".join(f"{t:.2f}" for t in times)
        print(f"{kind:10s} {medians[kind]:7.3f} s/step  fastest {fastest[kind]:7.3f} s  CPU time "
              f"{cpus[kind]:7.3f} s  peak {peaks[kind]:5.2f} GB   ({each})")  # fmt: skip
    parts = {"time": medians, "fastest": fastest, "CPU time": cpus, "memory": peaks}
    ratios = {name: values["ours"] / values["reference"] for name, values in parts.items()}
    print("ours / reference:", ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items()))
    worst = max(
        abs(a - b) / max(abs(a), 1e-9)
        for theirs, ours in zip(found["reference"], found["ours"], strict=True)
        for a, b in ((v, ours[1][k]) for k, v in theirs[1].items() if not k.startswith("norm"))
    )
    print(f"largest relative difference of a loss: {worst:.1e}")
    speeds = "  ".join(f"{1 / medians[kind]:8.3f}" for kind in medians)
    return f"{speeds}   {ratios['time']:.3f}  {ratios['memory']:.3f}"


if __name__ == "__main__":
    main()
