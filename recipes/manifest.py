"""Reading the corpus: its list of utterances and their sound. Development-time only."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr

Row = dict[str, Any]  # see `corpus.py`


def rows(corpus: Path) -> list[Row]:
    """All utterances, in the order in which they were made."""
    text = (corpus / "manifest.jsonl").read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]  # another process may be writing the last line
    return [json.loads(line) for line in whole.splitlines()]


def twins(found: list[Row]) -> dict[str, list[Row]]:
    """By file: the other utterances that are the same frame by frame, said by somebody else."""
    same: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in found:
        if row["phones"]:
            same[row["text"], row["timing"], row["speed"]].append(row)
    pairs = (group for group in same.values() if len(group) > 1)
    return {row["file"]: [r for r in group if r is not row] for group in pairs for row in group}


def wave_16k(file: Path) -> np.ndarray:
    """(N,) float32 at 16 kHz."""
    wave, rate_hz = sf.read(file, dtype="float32")
    return np.asarray(soxr.resample(wave, rate_hz, 16000), np.float32)
