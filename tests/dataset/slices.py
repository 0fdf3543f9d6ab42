"""A preprocessed voice made of tones, and models that cost nothing, for tests of later stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rvc.dataset import manifest
from tests.f0 import sounds

RATE = 40000


def preprocessed(
    home: Path,
    count: int = 4,
    seconds: float = 0.5,
    name: str = "voice",
    speakers: tuple[int, ...] = (0,),
    rate: int = RATE,
    **details: Any,
) -> tuple[Path, list[str]]:
    """Slices `<speaker>_<i>_0`, each of its own loudness; returns (folder, names)."""
    folder = home / "logs" / name
    names = [f"{speakers[i % len(speakers)]}_{i}_0" for i in range(count)]
    for sub in ("sliced_audios", "sliced_audios_16k"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    for i, slice_name in enumerate(names):
        wave = sounds.tone(150 + 10 * (i % 5), seconds, level=0.1 + i / 10000)
        file = f"{slice_name}.wav"
        soundfile.write(folder / "sliced_audios_16k" / file, wave, 16000, "FLOAT")
        long = np.interp(np.arange(int(seconds * rate)) * 16000 / rate, np.arange(len(wave)), wave)
        soundfile.write(folder / "sliced_audios" / file, long.astype(np.float32), rate, "FLOAT")
    done = manifest.Stage("preprocess", {"sample_rate": rate}, count, details=details)
    done.outputs = [f"sliced_audios/{n}.wav" for n in names]
    manifest.record(folder, done)
    return folder, names


@dataclass(frozen=True)
class Spec:
    name: str = "fake"
    width: int = 12
    layer: int = 2
    normalize: bool = False
    digest: str = "d"


class FakeEmbedder:
    """Features that depend on the sound; waves numbered in `bad` raise or give NaN."""

    def __init__(
        self,
        spec: Spec | None = None,
        bad: Iterable[int] = (),
        nan: Iterable[int] = (),
        error: type[Exception] = RuntimeError,
    ) -> None:
        self.spec = spec or Spec()
        self.bad, self.nan, self.error = set(bad), set(nan), error
        self.calls = 0

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        number = round((float(np.abs(wave).max()) - 0.1) * 10000)
        self.calls += 1
        if number in self.bad:
            raise self.error(f"LayerNorm is not implemented for wave {number}")
        frames = (len(wave) - 400) // 320 + 1
        row = np.arange(frames)[:, None] / 50 + np.arange(self.spec.width)[None]
        features = np.sin(row + number).astype(np.float32)
        if number in self.nan:
            features[0, 0] = np.nan
        return features

    def batch(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self(wave) for wave in waves]


def fake_pitch(name: str, device: str = "cpu") -> Callable[[np.ndarray], np.ndarray]:
    """Stands in for `rvc.f0.load`: everything has 200 Hz (fcpe) or 100 Hz (others)."""
    hz = 200.0 if name == "fcpe" else 100.0
    return lambda wave: np.full(len(wave) // 160 + 1, hz, np.float32)
