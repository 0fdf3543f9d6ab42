"""Small experiment folders made of synthetic speech, as preprocess and extract leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rvc.dataset import manifest

RATE, HOP = 40000, 400


def voice(seconds: float, f0_hz: float, seed: int = 0) -> np.ndarray:
    """A buzz with `f0_hz` and a slow swell, a little noise; float32 at RATE."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * f0_hz * k * t) / k for k in range(1, 8))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 1.5 * t)
    return (0.1 * tone * swell + 0.003 * rng.standard_normal(len(t))).astype(np.float32)


def clip(
    folder: Path,
    name: str,
    seconds: float = 1.0,
    f0_hz: float = 150.0,
    width: int = 8,
    speaker: int = 0,
    seed: int = 0,
) -> str:
    """Write the four files of one clip; returns its line of the file list."""
    rng = np.random.default_rng(seed)
    for sub in ("sliced_audios", "extracted", "f0", "f0_voiced"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    soundfile.write(
        folder / f"sliced_audios/{name}.wav", voice(seconds, f0_hz, seed), RATE, "FLOAT"
    )
    frames = int(seconds * 100) + 1
    features = rng.standard_normal((int(seconds * 50) - 1, width)).astype(np.float32)
    np.save(folder / f"extracted/{name}.npy", features)
    np.save(folder / f"f0/{name}.wav.npy", np.full(frames, 80, np.int64))
    np.save(folder / f"f0_voiced/{name}.wav.npy", np.full(frames, f0_hz, np.float32))
    return (
        f"{folder}/sliced_audios/{name}.wav|{folder}/extracted/{name}.npy|"
        f"{folder}/f0/{name}.wav.npy|{folder}/f0_voiced/{name}.wav.npy|{speaker}"
    )


def experiment(folder: Path, clips: int = 6, speakers: int = 1, **options: Any) -> Path:
    """An experiment with `clips` one-second clips per speaker."""
    lines = [
        clip(folder, f"{s}_{i}_0", f0_hz=120 + 60 * s, speaker=s, seed=100 * s + i, **options)
        for s in range(speakers)
        for i in range(clips)
    ]
    (folder / "filelist.txt").write_text("\n".join(lines))
    names = [Path(line.split("|")[0]).stem for line in lines]
    made = {"embedder": "contentvec", "embedder_digest": "abc", "sample_rate": RATE}
    made |= {"layer": 12, "normalize": False, "width": options.get("width", 8)}
    manifest.record(folder, manifest.Stage("extract", made, len(names), names))
    info = {"total_dataset_duration": "00:00:06", "total_seconds": 6.0 * speakers}
    info |= {"embedder_model": "contentvec", "speakers_id": speakers}
    (folder / "model_info.json").write_text(json.dumps(info))
    return folder
