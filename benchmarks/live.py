"""Live conversion: cost of a block, delay, sound, and what an hour does to it.

    python benchmarks/live.py [--pth voice.pth --index voice.index --input speech.wav]
    python benchmarks/live.py --presets default --soak-s 3600

Without --pth the voice and the recording that ship are used. Cost is CPU time of the process per
block, on one thread beside that of the pitch; wall time is told, too, and means little where the
machine is busy. The delay is measured by the envelopes of the offline conversion and of what is
played, for the first and the last 10 s of the recording, repeated until it lasts --seconds.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rvc.audio import io  # noqa: E402
from rvc.audio.mel import mel  # noqa: E402
from rvc.audio.stream import resample  # noqa: E402
from rvc.evaluate.judges import edits, pitch_correlation, plain  # noqa: E402
from rvc.infer.convert import convert  # noqa: E402
from rvc.infer.voice import Voice  # noqa: E402
from rvc.params import Live  # noqa: E402
from rvc.params.live import PRESETS  # noqa: E402
from rvc.realtime import startup  # noqa: E402
from rvc.realtime.ports import OUT_HZ, FilePort  # noqa: E402
from rvc.realtime.session import Session  # noqa: E402

KIT = ROOT / "rvc" / "models" / "kit" / "demo"
RATE = 16_000
WINDOW_S = 10.0
LONGEST_DELAY_S = 1.0


def live(args: argparse.Namespace, **more: Any) -> Live:
    return Live(pth_path=args.pth, index_path=args.index or None, gpu=args.gpu, seed=1, **more)


def costs(settings: Live, wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wall and CPU ms of every hop that the networks worked for."""
    engine, block = startup.engine(settings), settings.timing.block * RATE // 1000
    took = []
    for at in range(0, len(wave), block):
        engine.heard.write(wave[at : at + block])
        while engine.heard.end >= engine.due:
            made, wall, cpu = engine.made, time.perf_counter(), time.process_time()
            engine.hop()
            if engine.made > made:
                took.append((time.perf_counter() - wall, time.process_time() - cpu))
    engine.close()
    wall_ms, cpu_ms = 1000 * np.array(took[5:]).T
    return wall_ms, cpu_ms


def heard(settings: Live, wave: np.ndarray, paced: bool = False) -> tuple[np.ndarray, Session]:
    """What a session plays of a sound at 16 kHz, at 48 kHz, its delay still in it."""
    port = FilePort(wave, RATE, 320, paced)
    session = Session(settings, port, threaded=paced, force=True)
    session.start()
    port.play(len(wave), session.work)
    session.stop()
    return np.concatenate(port.heard), session


def envelope(wave: np.ndarray, rate: int) -> np.ndarray:
    """RMS of every ms."""
    step = rate // 1000
    count = len(wave) // step
    power = np.square(wave[: count * step].reshape(count, step)).mean(axis=1)
    smooth: np.ndarray = np.sqrt(np.convolve(power, np.ones(15) / 15, "same"))
    return smooth


def delay_ms(said: np.ndarray, played: np.ndarray, at_s: float) -> float:
    """How much later the envelope is, around a moment."""
    a = envelope(said, RATE)[round(1000 * at_s) :][: round(1000 * WINDOW_S)]
    b = envelope(played, OUT_HZ)[round(1000 * at_s) :]
    a = a - a.mean()
    found = []
    for lag in range(round(1000 * LONGEST_DELAY_S)):
        part = b[lag : lag + len(a)]
        if len(part) < len(a):
            break
        found.append(float(a @ (part - part.mean()) / np.linalg.norm(part - part.mean())))
    return float(np.argmax(found))


def log_mel(wave: np.ndarray) -> np.ndarray:
    import torch

    made: np.ndarray = mel(torch.from_numpy(wave)[None], RATE, 1024, 160, 1024, 80)[0].numpy()
    return made


class Sound:
    """Compares what is heard live with what a conversion of the file makes."""

    def __init__(self, voice: Voice, wave: np.ndarray, args: argparse.Namespace) -> None:
        self.voice, self.wave = voice, wave
        settings: dict[str, Any] = {"index_rate": 0.0, "f0_method": "swift-f0", "seed": 1}
        made, rate = convert(voice, wave, RATE, **settings)
        self.offline = resample(made, rate, RATE)
        self.extract = voice.extractor("swift-f0")
        self.level = envelope(wave, RATE)[::20]
        self.judges: dict[str, Any] = {}
        if args.judges:
            from rvc.evaluate.judges import Quality, Words

            self.judges = {"mos": Quality(), "words": Words()}
            self.said = plain(self.judges["words"](wave)[0])

    def features(self, wave: np.ndarray) -> np.ndarray:
        made: np.ndarray = np.array(self.voice.embedder(np.pad(wave, (0, 80))), np.float32)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made

    def row(self, wave: np.ndarray) -> str:
        """Columns of the table for a result at 16 kHz that lies on the recording."""
        size = min(len(wave), len(self.offline), len(self.wave))
        source, offline, wave = (x[:size] for x in (self.wave, self.offline, wave))
        a, b = log_mel(offline), log_mel(wave)
        loud = a.mean(axis=0) > np.percentile(a.mean(axis=0), 30)
        apart = 20 / np.log(10) * float(np.abs(a - b)[:, loud].mean())
        rows = [self.features(x) for x in (source, wave)]
        count = min(len(rows[0]), len(self.level))
        speaks = self.level[:count] > np.percentile(self.level, 40)
        alike = float((rows[0][:count] * rows[1][:count]).sum(axis=1)[speaks].mean())
        f0 = pitch_correlation(self.extract(offline), self.extract(wave))
        out = f"{apart:5.1f} | {alike:.3f} | {f0:.3f}"
        if self.judges:
            words = plain(self.judges["words"](wave)[0])
            wrong = edits(self.said, words) / max(1, len(self.said))
            out += f" | {100 * wrong:.0f} | {self.judges['mos'](wave):.2f}"
        return out


def table(args: argparse.Namespace, wave: np.ndarray) -> None:
    startup.settle()
    voice = startup.engine(live(args)).voice
    print(
        "| preset | block | wall ms p50, p99 | CPU ms p50, p99 | % of a core "
        "| delay said, measured first, last ms "
        "| log-mel dB | content | F0 |" + (" WER % | DNSMOS |" if args.judges else ""),
        flush=True,
    )
    sound = Sound(voice, wave, args)
    print(f"| offline | | | | | | {sound.row(sound.offline)} |", flush=True)
    for preset in args.presets:
        settings = live(args, preset=preset, head_room_ms=40)
        wall, cpu = costs(settings, wave)
        share = 100 * float(np.mean(cpu)) / settings.timing.block
        times = -(-round(args.seconds * RATE) // len(wave))
        long = np.tile(wave, max(1, times))
        played, session = heard(settings, long)
        wanted = np.tile(np.resize(sound.offline, len(wave)), max(1, times))
        delays = [delay_ms(wanted, played, at) for at in (0, len(long) / RATE - WINDOW_S - 1)]
        said = session.figures()["delay_ms"]
        at_16k = resample(played, OUT_HZ, RATE)[said * RATE // 1000 :][: len(wave)]
        percent = [np.percentile(x, [50, 99]) for x in (wall, cpu)]
        print(
            f"| {preset} | {settings.timing.block} | {percent[0][0]:.0f}, {percent[0][1]:.0f} "
            f"| {percent[1][0]:.0f}, {percent[1][1]:.0f} | {share:.0f} "
            f"| {said}, {delays[0]:.0f}, {delays[1]:.0f} | {sound.row(at_16k)} |",
            flush=True,
        )


def soak(args: argparse.Namespace, wave: np.ndarray) -> None:
    """A paced session for long: what grows?"""
    startup.settle()
    process = psutil.Process()
    port = FilePort(np.tile(wave, 2 + round(args.soak_s * RATE / len(wave))), RATE, 320, paced=True)
    session = Session(live(args, preset=args.presets[0]), port, force=True)
    session.start()
    step = max(10.0, args.soak_s / 12)
    for _ in range(round(args.soak_s / step)):
        cpu = process.cpu_times()
        began = time.monotonic()
        port.play(round(step * RATE), session.work)
        port.heard.clear()
        used = process.cpu_times()
        share = used.user + used.system - cpu.user - cpu.system
        figures = session.figures()
        print(
            f"{figures['seconds']:7.0f} s: delay {figures['delay_ms']} ms, late {figures['late']}, "
            f"missing {figures['missing_ms']:.0f} ms, cost {figures['cost_p50_ms']:.0f} and "
            f"{figures['cost_most_ms']:.0f} ms, {100 * share / (time.monotonic() - began):.0f} % "
            f"of a core, {process.memory_info().rss / 1e6:.0f} MB, {threading.active_count()} "
            f"threads, {process.num_fds()} files, load {psutil.getloadavg()[0]:.1f}",
            flush=True,
        )
    session.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pth", default=str(KIT / "demo.pth"))
    parser.add_argument("--index", default=str(KIT / "demo.index"))
    parser.add_argument("--input", default=str(KIT / "sample.flac"))
    parser.add_argument("--gpu", default="-")
    parser.add_argument("--seconds", type=float, default=28.0, help="of sound per delay")
    parser.add_argument("--presets", nargs="*", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--judges", action="store_true", help="words and DNSMOS, too")
    parser.add_argument("--soak-s", type=float, default=0.0)
    args = parser.parse_args()
    wave, _ = io.load(args.input, rate=RATE)
    if args.soak_s:
        soak(args, wave)
    else:
        table(args, wave)


if __name__ == "__main__":
    main()
