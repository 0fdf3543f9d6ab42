"""Time of the stages extract and index, and of each pitch method alone.

Random weights stand in for models that need a download (they cost the same time):
    python benchmarks/extract.py recordings/ --minutes 5 --methods fcpe swift-f0
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

RATE, VOICE_RATE = 16_000, 40_000


def recordings(folder: Path, seconds: float) -> np.ndarray:
    """Up to `seconds` of sound below `folder`, mono at 16 kHz."""
    import soundfile
    import soxr

    parts, total = [], 0.0
    for file in sorted(folder.rglob("*.*")):
        if file.suffix not in (".wav", ".flac", ".ogg", ".mp3") or total >= seconds:
            continue
        wave, rate = soundfile.read(file, dtype="float32", always_2d=True)
        parts.append(soxr.resample(wave.mean(axis=1), rate, RATE).astype(np.float32))
        total += len(parts[-1]) / RATE
    return np.concatenate(parts)[: int(seconds * RATE)]


def slices(home: Path, wave: np.ndarray) -> float:
    """A preprocessed voice of three-second slices; returns its length in seconds."""
    import soundfile

    from rvc.dataset import manifest

    folder = home / "logs" / "bench"
    names = []
    for sub in ("sliced_audios", "sliced_audios_16k"):
        (folder / sub).mkdir(parents=True)
    for i, start in enumerate(range(0, len(wave) - 3 * RATE + 1, 3 * RATE)):
        names.append(f"0_0_{i}")
        piece = wave[start : start + 3 * RATE]
        soundfile.write(folder / f"sliced_audios_16k/{names[-1]}.wav", piece, RATE, "FLOAT")
        (folder / f"sliced_audios/{names[-1]}.wav").touch()
    done = manifest.Stage("preprocess", {"sample_rate": VOICE_RATE}, len(names), names)
    manifest.record(folder, done)
    return 3.0 * len(names)


def hubert(folder: Path) -> Path:
    """An embedder folder of HuBERT-base's shape with random weights."""
    import torch
    from safetensors.torch import save_file

    from rvc.embedders.hubert import SpeechEncoder
    from rvc.embedders.hubert_shape import Shape

    settings = {"model_type": "hubert", "feat_extract_norm": "group"}
    shape = Shape.read(settings)
    torch.manual_seed(0)
    net = SpeechEncoder(shape, shape.num_hidden_layers, False)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(settings))
    state = {key: value.contiguous().clone() for key, value in net.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    return folder


def rmvpe(home: Path) -> None:
    """A pitch model of RMVPE's shape with random weights."""
    import torch

    from rvc.f0.rmvpe import Network

    folder = home / "rvc" / "models" / "predictors"
    folder.mkdir(parents=True)
    torch.save(Network().state_dict(), folder / "rmvpe.pt")


def timed(name: str, minutes: float, work: Callable[[], object]) -> None:
    """Run `work` once and print what it took."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    result = work()
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{name:34} {wall:7.2f} s wall {cpu:7.2f} s CPU  {wall / minutes:6.2f} s/min wall "
        f"{cpu / minutes:6.2f} s/min CPU  peak {after.ru_maxrss / 1024:5.0f} MB",
        flush=True,
    )
    if isinstance(result, dict):
        print("    " + result["message"], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--methods", nargs="+", default=["fcpe", "swift-f0", "rmvpe"])
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        os.environ["RVC_HOME"] = str(home)
        wave = recordings(options.recordings.resolve(), 60 * options.minutes)
        measure(home, wave, options)


def measure(home: Path, wave: np.ndarray, options: argparse.Namespace) -> None:
    from rvc import f0, params
    from rvc.dataset import extract
    from rvc.train import index

    minutes = slices(home, wave) / 60
    embedder = hubert(home / "hubert")
    if any("rmvpe" in method for method in options.methods):
        rmvpe(home)
    base: dict[str, Any] = {
        "model_name": "bench",
        "sample_rate": VOICE_RATE,
        "cpu_cores": options.cores,
    }
    custom: dict[str, Any] = {
        "embedder_model": "custom",
        "embedder_model_custom": str(embedder),
        "gpu": "-",
    }
    for method in options.methods:
        extractor = f0.load(method)
        extractor(wave[: 3 * RATE])
        timed(f"pitch alone, whole: {method}", minutes, partial(extractor, wave))
    for i, method in enumerate(options.methods):
        p = params.Extract(**base, **custom, f0_method=method)
        what = "pitch and features" if i == 0 else "pitch only (features kept)"
        timed(f"extract, {what}: {method}", minutes, partial(extract.run, p))
    timed("extract again, nothing to do", minutes, lambda: extract.run(p))
    timed("index", minutes, lambda: index.run(params.Index(model_name="bench")))


if __name__ == "__main__":
    main()
