"""Whisper features, pitch and waves of the corpus in one file per speaker, ready for base.py.

Development-time only. The projector is applied later, so it may still change.
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
from rvc import f0
from rvc.features.manager import EmbedderManager

MINUTES = {"slt-hts": 10.0, "espeak": 0.7, "ked": 1.0}  # most of each speaker; others 2.5
FIRST = ("slt-hts", "en", "fr", "ru", "es")
SEED = 5
HELD_OUT = 40  # the last clips of every speaker are never trained on


def main(corpus: Path, whisper: Path, out: Path) -> None:
    """Write <out>/<speaker>.pt: a list of {wave int16, phone f16, hz f32}."""
    torch.set_num_threads(1)
    embed, pitch = EmbedderManager().load("custom", str(whisper)), f0.load("swift-f0")
    out.mkdir(parents=True, exist_ok=True)
    speakers = defaultdict(list)
    rows = json.loads((corpus / "index.json").read_text())
    for row in random.Random(SEED).sample(rows, len(rows)):
        speakers[row["speaker"]].append(row["file"])
    for speaker in (*FIRST, *(s for s in speakers if s not in FIRST)):
        files = speakers[speaker]
        if (out / f"{speaker}.pt").exists():
            continue
        kept, left_s = [], 60 * MINUTES.get(speaker, MINUTES.get(speaker.split("-")[0], 2.5))
        for file in files[: -min(HELD_OUT, len(files) // 10)]:
            if left_s < 0:
                break
            wave = sf.read(corpus / file, dtype="int16")[0]
            low = soxr.resample(wave.astype(np.float32) / 32768, 24000, 16000)
            if len(low) < 16000 * 0.9:
                continue
            left_s -= len(low) / 16000
            phone, hz = embed(low), pitch(low)
            kept.append(
                {
                    "wave": torch.from_numpy(wave),
                    "phone": torch.from_numpy(phone.astype(np.float16)),
                    "hz": torch.from_numpy(hz),
                }
            )
        torch.save(kept, out / f"{speaker}.pt")
        print(speaker, len(kept), flush=True)


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:4]))
