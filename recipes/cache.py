"""Features, pitch and sound of the corpus in one file per speaker, ready for `base.py`.

Development-time only. Each clip comes with several versions of its features, all on its own time
axis: its own; as another speaker says it (a twin of the corpus, the same frame by frame, or itself
made to sound like another by `bottleneck.perturbed`); from a telephone, a room or noise; and as a
live conversion hears it, block by block. Training from all of them to the one clean sound helps the
text encoder to be deaf to who speaks and where. May be stopped and run again; run it again when the
corpus has grown, too: only what is missing is made.
Use: python recipes/cache.py CORPUS EMBEDDER_FOLDER OUT [--minutes M]
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes import manifest
from recipes.bottleneck import perturbed, stretched
from recipes.manifest import Row
from rvc import f0
from rvc.embedders.embedder import Embedder
from rvc.embedders.manager import EmbedderManager
from rvc.files import replacing

SEED = 5
CONTEXT, AHEAD = 50, 2  # frames a live conversion has heard before, and waits for: 1 s, 40 ms
BLOCKS = (5, 10, 15)  # frames that it gives out at a time: 100 to 300 ms
CHUNK = 40  # clips in one file


def streamed(embedder: Embedder, wave: np.ndarray, block: int) -> np.ndarray:
    """Features (F, W) of a wave (N,) at 16 kHz as they come when it is heard block by block."""
    count = (len(wave) - 400) // 320 + 1
    parts = []
    for start in range(0, count, block):
        first, last = max(0, start - CONTEXT), min(count, start + block + AHEAD)
        heard = embedder(wave[first * 320 : (last - 1) * 320 + 400])
        parts.append(heard[start - first :][:block])
    return np.concatenate(parts)[:count]


def clip(corpus: Path, row: Row, twins: list[Row], tools: tuple[Embedder, Any]) -> dict[str, Any]:
    """One utterance with every version of its features, and what each is called."""
    embedder, pitch = tools
    number = int(Path(row["file"]).stem)
    rng = np.random.default_rng([SEED, number])
    low = manifest.wave_16k(corpus / row["file"])
    own = embedder(low)
    versions = {"own": own}
    for place, twin in enumerate(twins):
        versions[f"twin-{place}"] = embedder(manifest.wave_16k(corpus / twin["file"]))
    versions["perturbed"] = stretched(embedder(perturbed(low, rng)[0]), len(own))
    for kind, file in row["versions"].items():
        versions[kind] = embedder(manifest.wave_16k(corpus / file))
    if number % 3 == 0:
        versions["streamed"] = streamed(embedder, low, int(rng.choice(BLOCKS)))
    kept = {k: torch.from_numpy(v.astype(np.float16)) for k, v in versions.items()}
    return {
        "file": row["file"],
        "wave": torch.from_numpy(sf.read(corpus / row["file"], dtype="int16")[0]),
        "phones": [v for v in kept.values() if len(v) == len(own)],
        "names": [k for k, v in kept.items() if len(v) == len(own)],
        "hz": torch.from_numpy(pitch(low)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("embedder", help="a folder, or mini")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0, help="the most of one speaker")
    a = parser.parse_args()
    torch.set_num_threads(1)
    name, custom = ("mini", None) if a.embedder == "mini" else ("custom", a.embedder)
    tools = EmbedderManager().load(name, custom), f0.load("swift-f0")
    rows = [row for row in manifest.rows(a.corpus) if row["split"] == "train"]
    twins = manifest.twins(rows)
    speakers: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        speakers[row["speaker"]].append(row)
    a.out.mkdir(parents=True, exist_ok=True)
    for speaker, mine in speakers.items():
        left_s, kept = 60 * a.minutes, []
        for row in mine:
            if row["seconds"] >= 0.9 and left_s > 0:
                kept.append(row)
                left_s -= row["seconds"]
        random.Random(SEED).shuffle(kept)
        _speaker(a.corpus, a.out, speaker, kept, twins, tools)


def _speaker(
    corpus: Path,
    out: Path,
    speaker: str,
    rows: list[Row],
    twins: dict[str, list[Row]],
    tools: tuple[Embedder, Any],
) -> None:
    """Add what is missing of one speaker, CHUNK clips to a file."""
    files = sorted(out.glob(f"{speaker}.*.pt"))
    done = {c["file"] for file in files for c in torch.load(file, weights_only=True)}
    missing = [row for row in rows if row["file"] not in done]
    for number, start in enumerate(range(0, len(missing), CHUNK), len(files)):
        some = missing[start : start + CHUNK]
        clips = [clip(corpus, row, twins.get(row["file"], []), tools) for row in some]
        with replacing(out / f"{speaker}.{number:03d}.pt") as part:
            torch.save(clips, part)
        print(speaker, number, len(clips), flush=True)


if __name__ == "__main__":
    main()
