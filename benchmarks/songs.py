"""What songs cost and how well they come apart and together again: `separate` and `cover`.

    python benchmarks/songs.py [--seconds 300] [--picture docs/songs.png]

The song is speech of the kit with a made-up band. Times are those of whole commands run from the
shell; CPU seconds are those of all threads; memory is the peak of the process. The judges of
requirements-eval.txt hear the cover's voice and, beside it, the clean voice converted.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rvc import f0, tasks
from rvc.config import KIT
from rvc.errors import MissingModel
from rvc.evaluate import judges
from rvc.params import Cover, Infer
from rvc.separation import models
from tests.songs import band

ROOT = Path(__file__).resolve().parents[1]
VOICE = KIT / "demo" / "demo.pth"
SHORT_S, COVER_S, QUALITY_S = 30.0, 60.0, 12.0
WITHIN_CENTS = 50
PICTURE_S, COLOURS = 5.0, 16
SINGING: dict[str, Any] = {"pth_path": VOICE, "f0_method": "swift-f0", "gpu": "-", "seed": 1}


def long_song(seconds: float) -> np.ndarray:
    """(T, 2) of any length: the same twelve seconds again and again."""
    one = band.mixed(QUALITY_S)
    size = int(seconds * band.RATE)
    return np.tile(one, (-(-size // len(one)), 1))[:size]


def measured(words: list[str], home: Path) -> tuple[float, float, float]:
    """Wall and CPU seconds and peak memory in MB of a command of core.py."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "core.py", *words],
        cwd=ROOT,
        env=dict(os.environ) | {"RVC_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{words[0]} ended with status {status}.")
    wall_s = time.perf_counter() - began
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def costs(folder: Path, longest_s: float) -> None:
    """Print what the two verbs cost: the second cover of a song separates nothing."""
    print("\n| command | song s | wall s per s | CPU s per s | peak MB |\n|---|---|---|---|---|")
    sing = ["--pth-path", str(VOICE), "--f0-method", "swift-f0", "--no-keep-stems"]
    runs = [("separate", "separate", SHORT_S), ("separate", "separate", longest_s)]
    runs += [("cover", "cover", COVER_S), ("cover, again", "cover", COVER_S)]
    for name, verb, seconds in runs:
        song = folder / f"{seconds:.0f}.wav"
        if not song.exists():
            soundfile.write(song, long_song(seconds), band.RATE)
        words = [verb, "--input-path", str(song), "--output-folder", str(folder), "--gpu", "-"]
        words += ["--overwrite", *(sing if verb == "cover" else [])]
        wall_s, cpu_s, peak_mb = measured(words, folder / "home")
        print(f"| {name} | {seconds:.0f} | {wall_s / seconds:.2f} | {cpu_s / seconds:.2f} "
              f"| {peak_mb:.0f} |", flush=True)  # fmt: skip
    whole = adds_up(folder, f"{longest_s:.0f}")
    print(f"\nThe stems of {longest_s:.0f} s {'' if whole else 'do not '}add up to the song.")


def adds_up(folder: Path, name: str) -> bool:
    """Whether the stems of a 16-bit song add up to it, sample by sample."""
    files = [folder / f"{name} ({stem}).flac" for stem in ("vocals", "accompaniment")]
    voice, rest, song = (
        soundfile.read(f, dtype="int32")[0] for f in (*files, folder / f"{name}.wav")
    )
    return bool(np.array_equal(voice.astype(np.int64) + rest, song))


def separation() -> None:
    """Print SI-SDR in dB of both stems at 0 and -6 dB."""
    print("\n| voice below the band | SI-SDR of the voice | of the accompaniment |\n|---|---|---|")
    for voice_db in (0.0, -6.0):
        voice, music = band.song(QUALITY_S, voice_db)
        song = voice + music
        power = float(np.mean(np.square(song, dtype=np.float64)))
        heard = np.concatenate(list(models.load().voice([song], power)))
        print(f"| {abs(voice_db):.0f} dB | {band.si_sdr(heard, voice):.1f} dB "
              f"| {band.si_sdr(song - heard, music):.1f} dB |", flush=True)  # fmt: skip


def read(path: str | Path) -> np.ndarray:
    """(T, C) float32 of a file at 44.1 kHz."""
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(wave if rate == band.RATE else soxr.resample(wave, rate, band.RATE))


def low(wave: np.ndarray) -> np.ndarray:
    """(T,) at 16 kHz of (T, C) at 44.1 kHz."""
    return np.asarray(soxr.resample(wave.mean(axis=1), band.RATE, judges.RATE_HZ), np.float32)


def one_cover(folder: Path) -> dict[str, np.ndarray]:
    """Clean voice, clean voice converted, and the parts of a cover, each (T, C) at 44.1 kHz."""
    voice, music = band.song(QUALITY_S)
    source = band.write(folder / "song.wav", voice + music)
    clean = band.write(folder / "clean.wav", voice)
    made = tasks.run(
        "cover", Cover(input_path=source, output_folder=folder, acapella=True, **SINGING)
    )
    alone: dict[str, Any] = {"input_path": clean, "output_path": folder / "alone.wav"}
    tasks.run("infer", Infer(**alone, **SINGING))
    files = {"song": source, "voice": made["vocals"], "converted": made["acapella"]}
    files |= {"mix": made["output_path"], "clean": clean, "clean converted": alone["output_path"]}
    return {name: read(file) for name, file in files.items()}


def likeness_and_words(sound: dict[str, np.ndarray]) -> None:
    """Print what the judges say; words are compared with those heard in the clean voice."""
    likeness, words, pitch = judges.Likeness(), judges.Words(), f0.load("swift-f0")
    heard = {name: low(sound[name]) for name in ("clean", "clean converted", "converted")}
    said = judges.plain(words(heard["clean"])[0])
    prints = {name: likeness(wave) for name, wave in heard.items()}
    hz = {name: pitch(wave) for name, wave in heard.items()}
    columns = ["words wrong", "like the clean voice converted", "like the singer"]
    columns += [f"F0 within {WITHIN_CENTS} cents of the clean voice"]
    print("\n| | " + " | ".join(columns) + " |")
    print("|---|---|---|---|---|")
    for name, title in (("clean converted", "clean voice converted"),
                        ("converted", "the cover's voice")):  # fmt: skip
        wrong = judges.edits(said, judges.plain(words(heard[name])[0])) / max(1, len(said))
        size = min(len(hz[name]), len(hz["clean"]))
        a, b = hz["clean"][:size], hz[name][:size]
        both = (a > 0) & (b > 0)
        near = np.mean(np.abs(1200 * np.log2(b[both] / a[both])) <= WITHIN_CENTS)
        print(f"| {title} | {wrong:.0%} | {prints[name] @ prints['clean converted']:.3f} "
              f"| {prints[name] @ prints['clean']:.3f} | {near:.0%} |", flush=True)  # fmt: skip


def placing(folder: Path) -> None:
    """Print how true a converted voice stands between the sides, and how much is unconverted."""
    print("\n| voice at | placed by | sides off by | the singer in it |\n|---|---|---|---|")
    for pan in (0.0, -0.3, -0.6):
        voice, music = band.song(6.0, pan=pan)
        source = band.write(folder / "placed.wav", voice + music)
        vocals = band.write(folder / "vocals.wav", voice)
        for stereo, title in (("mono", "its energy"), ("mid", "`--stereo mid`")):
            p = Cover(input_path=source, vocals_path=vocals, output_folder=folder,
                      acapella=True, overwrite=True, **SINGING | {"stereo": stereo})  # fmt: skip
            found = read(tasks.run("cover", p)["acapella"])
            sides = [band.level(wave[:, 0]) / band.level(wave[:, 1]) for wave in (found, voice)]
            mono = voice.sum(axis=1)
            share = np.abs(found.T @ mono) / np.linalg.norm(mono) / np.linalg.norm(found, axis=0)
            print(f"| {pan:+.1f} | {title} | {abs(20 * np.log10(sides[0] / sides[1])):.1f} dB "
                  f"| {20 * np.log10(share.max()):.0f} dB |", flush=True)  # fmt: skip


def draw(sound: dict[str, np.ndarray], path: Path) -> None:
    """Write spectrograms of the song, its voice, that voice converted, and the mix."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(8, 5), dpi=80, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    graphs = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    for graph, name in zip(graphs, ("song", "voice", "converted", "mix"), strict=True):
        wave = sound[name].mean(axis=1)[: int(PICTURE_S * band.RATE)]
        look: dict[str, Any] = {"cmap": "magma", "vmin": -75, "vmax": -5}
        graph.specgram(wave, NFFT=2048, Fs=band.RATE / 1000, noverlap=1024, **look)
        graph.set(title=name, ylim=(0, 6), xticks=[])
    figure.supylabel("kHz")
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(COLOURS).save(path, optimize=True)
    print(f"\n{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0, help="of the longest song")
    parser.add_argument("--picture", type=Path, help="draw spectrograms here (.png)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["RVC_HOME"] = str(folder / "home")
        print(f"{platform.machine()}, {os.cpu_count()} cores, "
              f"load {os.getloadavg()[0]:.1f} at the beginning")  # fmt: skip
        costs(folder, args.seconds)  # first: a child's peak counts what its parent held
        sound = one_cover(folder)
        try:
            likeness_and_words(sound)
        except MissingModel as error:
            print(f"\nNot judged: {error} {error.hint}")
        separation()
        placing(folder)
        if args.picture:
            draw(sound, args.picture)
        print(f"\nLoad {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
