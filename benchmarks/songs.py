"""What songs cost and how well they come apart: `separate` and `cover` on a made-up song.

    python benchmarks/songs.py [--seconds 60] [--voice PTH]

The song is speech of the kit with a made-up band, 0 dB and -6 dB. Times are those of whole commands
run from the shell, CPU seconds of all threads; peak memory is that of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rvc.config import KIT
from rvc.separation import models, spectra
from tests.songs import band

ROOT = Path(__file__).resolve().parents[1]


def long_song(seconds: float, voice_db: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(voice, music) of any length: the same twelve seconds again and again."""
    voice, music = band.song(12.0, voice_db)
    count = -(-int(seconds * band.RATE) // len(voice))
    size = int(seconds * band.RATE)
    return np.tile(voice, (count, 1))[:size], np.tile(music, (count, 1))[:size]


def measured(words: list[str], home: Path) -> dict[str, float]:
    """Wall and CPU seconds and peak memory in MB of a command of core.py."""
    began = time.perf_counter()
    environment = dict(os.environ) | {"RVC_HOME": str(home)}
    child = subprocess.Popen(
        [sys.executable, "core.py", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{words[0]} ended with status {status}.")
    return {
        "wall_s": time.perf_counter() - began,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def quality() -> dict[str, float]:
    """SI-SDR in dB of both stems at 0 and -6 dB."""
    found = {}
    for voice_db in (0.0, -6.0):
        voice, music = band.song(12.0, voice_db)
        song = voice + music
        power = float(np.mean(np.square(song, dtype=np.float64)))
        heard = np.concatenate(list(models.load().voice([song], power)))
        found[f"voice at {voice_db:.0f} dB"] = band.si_sdr(heard, voice)
        found[f"accompaniment at {voice_db:.0f} dB"] = band.si_sdr(song - heard, music)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--voice", type=Path, default=KIT / "demo" / "demo.pth")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        song = Path(folder) / "song.wav"
        voice, music = long_song(args.seconds)
        soundfile.write(song, voice + music, band.RATE)
        common = ["--input-path", str(song), "--output-folder", folder, "--gpu", "-", "--overwrite"]
        sing = ["--pth-path", str(args.voice), "--f0-method", "swift-f0", "--no-keep-stems"]
        rows = {
            "separate": measured(["separate", *common], home),
            "cover, first time": measured(["cover", *common, *sing], home),
            "cover, again": measured(["cover", *common, *sing], home),
        }
    for row in rows.values():
        row["wall_rtf"] = row["wall_s"] / args.seconds
        row["cpu_rtf"] = row["cpu_s"] / args.seconds
    print(f"{args.seconds:.0f} s of song at {spectra.RATE} Hz; {platform.processor()}, "
          f"{os.cpu_count()} cores")  # fmt: skip
    for name, row in rows.items():
        print(f"{name:20}" + "  ".join(f"{key} {value:8.3f}" for key, value in row.items()))
    scores = quality()
    for name, value in scores.items():
        print(f"SI-SDR of the {name}: {value:.2f} dB")
    print(json.dumps(rows | {"si_sdr_db": scores}))


if __name__ == "__main__":
    main()
