"""Speed of preprocessing and of the dataset report, per minute of sound, against plain decoding.

    python benchmarks/dataset.py [--folder RECORDINGS] [--minutes 20] [--cores 2]

Both are measured in the same run as a yardstick (reading every file and resampling it to the
voice's rate and to 16 kHz in one thread), so the ratios can be compared between machines.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from rvc import params, tasks
from rvc.audio import formats, io
from rvc.audio.stream import resample

RATE: Literal[40000] = 40000


def synthetic(folder: Path, minutes: float) -> None:
    """Recordings of 10 s: a buzz with syllables and pauses, 44.1 kHz, 16 bits."""
    rate, rng = 44100, np.random.default_rng(0)
    t = np.arange(10 * rate) / rate
    for i in range(max(1, round(minutes * 6))):
        wave = sum(np.sin(2 * np.pi * (110 + i % 80) * k * t) / k for k in range(1, 8)) * 0.1
        wave = wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) * (np.sin(2 * np.pi * 0.3 * t) > -0.6)
        soundfile.write(folder / f"{i:05}.wav", wave + 1e-4 * rng.standard_normal(len(t)), rate)


def multiplied(source: Path, folder: Path, minutes: float) -> None:
    """Copies of real recordings until there are enough minutes of them."""
    files = sorted(f for f in source.rglob("*") if formats.is_sound_name(f))
    total, turn = 0.0, 0
    while total < 60 * minutes:
        for file in files:
            shutil.copy(file, folder / f"{turn:03}_{file.name}")
            total += io.info(file).seconds
        turn += 1


@contextlib.contextmanager
def clock(name: str, minutes: float, results: dict[str, float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    results[name] = (time.perf_counter() - began) / minutes


def measure(folder: Path, cores: int) -> dict[str, float]:
    """Wall seconds per minute of sound."""
    files = sorted(folder.iterdir())
    minutes = sum(io.info(file).seconds for file in files) / 60
    results: dict[str, float] = {"minutes": minutes}
    with clock("yardstick", minutes, results):
        for file in files:
            wave, rate = io.load(file)
            resample(resample(wave, rate, RATE), RATE, 16000)
    p = params.Preprocess(
        model_name="bench", dataset_path=folder, sample_rate=RATE, cpu_cores=cores
    )
    with clock("preprocess", minutes, results):
        tasks.run("preprocess", p)
    with clock("preprocess again", minutes, results):
        tasks.run("preprocess", p)
    with clock("dataset-report", minutes, results):
        tasks.run("dataset-report", params.DatasetReport(folder=folder, cpu_cores=cores))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="real recordings; synthetic ones if not given")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["RVC_HOME"] = home
        folder = Path(home) / "recordings"
        folder.mkdir()
        if given.folder:
            multiplied(given.folder, folder, given.minutes)
        else:
            synthetic(folder, given.minutes)
        results = measure(folder, given.cores)
    yardstick = results["yardstick"]
    print(f"{results.pop('minutes'):.1f} minutes of sound, {given.cores} processes")
    print("| work | s per minute | times the yardstick |\n|---|---|---|")
    for name, seconds in results.items():
        print(f"| {name} | {seconds:.3f} | {seconds / yardstick:.2f} |")


if __name__ == "__main__":
    main()
