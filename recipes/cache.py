"""Whisper features, pitch and waves of the corpus in one file per speaker, ready for base.py.

Development-time only. The projector is applied later, so it may still change. Each clip comes with
several versions of its features, all on its own time axis: its own, and those of itself as another
speaker might have said it (`bottleneck.perturbed`). Training from all of them to the one clean
sound helps the text encoder to be deaf to who speaks.
Use: python recipes/cache.py CORPUS WHISPER_FOLDER OUT
"""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes.bottleneck import perturbed, stretched
from rvc import f0
from rvc.embedders.manager import EmbedderManager

MINUTES = {"slt-hts": 36.0, "en": 10.0, "espeak": 1.5, "ked": 2.0}  # others 6
DEMO = "slt-hts"
PERTURBED = 2  # versions of each clip
SEED = 5
HELD_OUT = 40  # the last clips of every speaker are never trained on


class Cache:
    """The corpus by speaker, and what hears it."""

    def __init__(self, corpus: Path, whisper: Path) -> None:
        self.corpus = corpus
        self.embed, self.pitch = EmbedderManager().load("custom", str(whisper)), f0.load("swift-f0")
        self.rng = np.random.default_rng(SEED)
        rows = json.loads((corpus / "index.json").read_text())
        self.speakers: dict[str, list[dict]] = defaultdict(list)
        for row in random.Random(SEED).sample(rows, len(rows)):
            self.speakers[row["speaker"]].append(row)

    def low(self, row: dict) -> tuple[np.ndarray, np.ndarray]:
        """A clip as int16 at 24 kHz and as float at 16 kHz."""
        wave = sf.read(self.corpus / row["file"], dtype="int16")[0]
        return wave, soxr.resample(wave.astype(np.float32) / 32768, 24000, 16000)

    def clip(self, row: dict) -> dict | None:
        """One clip with every version of its features; None if it is too short."""
        wave, low = self.low(row)
        if len(low) < 16000 * 0.9:
            return None
        own = self.embed(low)
        versions = [own]
        for _ in range(PERTURBED):
            versions.append(stretched(self.embed(perturbed(low, self.rng)[0]), len(own)))
        return {
            "wave": torch.from_numpy(wave),
            "phones": [torch.from_numpy(v.astype(np.float16)) for v in versions],
            "hz": torch.from_numpy(self.pitch(low)),
        }


def main(corpus: Path, whisper: Path, out: Path) -> None:
    """Write <out>/<speaker>.pt: a list of {wave int16, phones [f16], hz f32}."""
    torch.set_num_threads(1)
    cache = Cache(corpus, whisper)
    out.mkdir(parents=True, exist_ok=True)
    for speaker in (DEMO, *(s for s in cache.speakers if s != DEMO)):
        rows = cache.speakers[speaker]
        if (out / f"{speaker}.pt").exists():
            continue
        kept, left_s = [], 60 * MINUTES.get(speaker, MINUTES.get(speaker.split("-")[0], 6.0))
        for row in rows[: -min(HELD_OUT, len(rows) // 10)]:
            clip = cache.clip(row) if left_s > 0 else None
            if clip is not None:
                kept.append(clip)
                left_s -= len(clip["wave"]) / 24000
        torch.save(kept, out / f"{speaker}.pt")
        print(speaker, len(kept), flush=True)


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:4]))
