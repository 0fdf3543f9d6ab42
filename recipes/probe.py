"""How much of the words, and how little of the speaker, is in an embedder's frames, by language.

One linear probe learns the phonemes (espeak's IPA) of all languages at once from some of the
corpus's speakers and is judged on the others and on sentences it never met; another learns who
speaks. Development-time only.

Use: python recipes/probe.py CORPUS NAME=FOLDER[:LAYER[,LAYER...]] ... [--out FILE.json]
     (FOLDER: config.json + model.safetensors, or `mini`)
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes import manifest
from recipes.manifest import Row
from rvc.embedders.embedder import Embedder
from rvc.embedders.manager import EmbedderManager

SEED = 3
MOST = 70  # utterances of one language
TEST_SPEAKERS = 4  # every fourth speaker is judged only
LEAST = 0.0005  # share of frames below which a phoneme is left out
STRESS, BEHIND, SILENCE = "ˈˌ", "ːʲʰ̃→↗↓↘", " .,;:?!—…"
STEPS, BATCH = 1500, 1024


@dataclass
class Frames:
    """An utterance as one embedder hears it."""

    language: str
    speaker: str
    number: int
    values: np.ndarray  # (F, W) float32
    phones: list[str]  # one for each frame; "" in silence


@dataclass
class Scores:
    """What the probes found; shares from 0 to 1."""

    phone: dict[str, float] = field(default_factory=dict)  # right frames by language
    error: dict[str, float] = field(default_factory=dict)  # wrong phonemes by language
    speaker: float = 0.0
    hop_ms: float = 0.0
    width: int = 0


def segments(phones: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Phonemes with their ends in s: marks of stress, length and tone joined to their sound."""
    found: list[tuple[str, float]] = []
    for sign, end_s in phones:
        sound = "".join(c for c in sign if c not in STRESS + BEHIND)
        if sound or not sign:
            found.append(("" if sound in SILENCE else sound, end_s))
        elif sign[0] in BEHIND and found:
            found[-1] = (found[-1][0], end_s)  # a stress's time is the next sound's
    return found


def chosen(corpus: Path, maker: str, languages: Sequence[str]) -> list[Row]:
    """Utterances of a maker (kokoro, espeak), up to MOST of a language; no twins."""
    rows = [row for row in manifest.rows(corpus) if row["file"].startswith(maker)]
    rows = [row for row in rows if row["speaker"] == row["timing"]]
    random.Random(SEED).shuffle(rows)
    kept: list[Row] = []
    for language in languages:
        kept += [row for row in rows if row["language"] == language][:MOST]
    return kept


def heard(embedder: Embedder, wave: np.ndarray, row: Row) -> Frames:
    """Frames of one utterance; frame i is named by the phoneme at its middle."""
    values = embedder(wave)
    names, ends = zip(*segments(row["phones"]), strict=True)
    middle_s = (np.arange(len(values)) * 320 + 200) / 16000
    at = np.minimum(np.searchsorted(ends, middle_s), len(names) - 1)
    phones = [names[i] for i in at]
    return Frames(row["language"], row["speaker"], row["number"], values, phones)


def linear(x: np.ndarray, y: np.ndarray, classes: int, steps: int) -> torch.nn.Linear:
    """A linear classifier of standardised frames, its mean and scale folded in."""
    torch.manual_seed(SEED)
    mean, std = x.mean(0), x.std(0) + 1e-4
    inputs, labels = torch.from_numpy((x - mean) / std), torch.from_numpy(y)
    layer = torch.nn.Linear(x.shape[1], classes)
    optimiser = torch.optim.Adam(layer.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        batch = torch.randint(len(inputs), (BATCH,))
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(inputs[batch]), labels[batch])
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        layer.weight.div_(torch.from_numpy(std))
        layer.bias.sub_(layer.weight @ torch.from_numpy(mean))
    return layer


def edits(a: Sequence[int], b: Sequence[int]) -> int:
    """The fewest insertions, deletions and replacements from `a` to `b`."""
    row = np.arange(len(b) + 1)
    for i, sign in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            kept = last + (sign != other)
            last, row[j] = row[j], min(kept, row[j] + 1, row[j - 1] + 1)
    return int(row[-1])


def sequence(labels: Sequence[int], silence: int) -> list[int]:
    """Runs of a label of at least two frames, silence left out."""
    runs: list[list[int]] = []
    for label in labels:
        if runs and runs[-1][0] == label:
            runs[-1][1] += 1
        else:
            runs.append([label, 1])
    long = [label for label, count in runs if count > 1 and label != silence]
    return [label for i, label in enumerate(long) if i == 0 or label != long[i - 1]]


def judged(data: list[Frames], steps: int = STEPS) -> Scores:
    """Both probes on what one embedder hears."""
    speakers = sorted({f.speaker for f in data})
    unseen = set(speakers[1::TEST_SPEAKERS])
    counts = Counter(phone for f in data for phone in f.phones)
    total = sum(counts.values())
    names = sorted(p for p, n in counts.items() if n > LEAST * total or not p)
    index = {name: i for i, name in enumerate(names)}
    train = [f for f in data if f.speaker not in unseen]
    x = np.concatenate([f.values for f in train])
    y = np.array([index.get(p, -1) for f in train for p in f.phones])
    probe = linear(x[y >= 0], y[y >= 0], len(names), steps)
    scores = Scores(width=x.shape[1])
    right: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for f in (f for f in data if f.speaker in unseen):
        with torch.no_grad():
            found = probe(torch.from_numpy(f.values)).argmax(1).tolist()
        truth = [index.get(p, -1) for p in f.phones]
        spoken = [(a, b) for a, b in zip(found, truth, strict=True) if b > 0]  # 0 is silence
        said, meant = sequence(found, 0), sequence(truth, 0)
        both = (sum(a == b for a, b in spoken), len(spoken), edits(said, meant), len(meant))
        right[f.language] = [a + b for a, b in zip(right[f.language], both, strict=True)]
    for language, (hits, frames, wrong, phones) in right.items():
        scores.phone[language] = round(hits / max(1, frames), 4)
        scores.error[language] = round(wrong / max(1, phones), 4)
    scores.speaker = speaker_accuracy(train, steps)
    return scores


def speaker_accuracy(data: list[Frames], steps: int) -> float:
    """Frames of every third utterance whose speaker a probe learnt from the others names."""
    names = sorted({f.speaker for f in data})
    early = [f for f in data if f.number % 3]
    late = [f for f in data if f.number % 3 == 0]

    def stack(part: list[Frames]) -> tuple[np.ndarray, np.ndarray]:
        label = [names.index(f.speaker) for f in part for p in f.phones if p]
        loud = [f.values[[i for i, p in enumerate(f.phones) if p]] for f in part]
        return np.concatenate(loud), np.array(label)

    probe = linear(*stack(early), len(names), steps)
    x, y = stack(late)
    with torch.no_grad():
        found = probe(torch.from_numpy(x)).argmax(1).numpy()
    return round(float((found == y).mean()), 4)


def hop_ms(embedder: Embedder) -> float:
    """CPU time of the features of one second, one thread: the median of 40."""
    wave = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    took = []
    for _ in range(40):
        began = time.thread_time()
        embedder(wave)
        took.append(time.thread_time() - began)
    return round(1000 * statistics.median(took), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("embedders", nargs="+")
    parser.add_argument("--languages", default="en,es,fr,it,pt,de,ru,ja,zh,cs")
    parser.add_argument("--maker", choices=("kokoro", "espeak"), default="kokoro")
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(1)
    rows = chosen(a.corpus, a.maker, a.languages.split(","))
    waves = [manifest.wave_16k(a.corpus / row["file"]) for row in rows]
    print(Counter(row["language"] for row in rows), flush=True)
    found: dict[str, Any] = {}
    for text in a.embedders:
        name, where = text.split("=", 1)
        folder, _, layers = where.partition(":")
        for layer in layers.split(",") if layers else [""]:
            number = int(layer) if layer else None
            if folder == "mini":
                embedder = EmbedderManager().load("mini")
            else:
                embedder = EmbedderManager().load("custom", folder, layer=number)
            cost = hop_ms(embedder)
            pairs = zip(waves, rows, strict=True)
            scores = judged([heard(embedder, wave, row) for wave, row in pairs])
            scores.hop_ms = cost
            found[f"{name} {layer}".strip()] = scores.__dict__
            print(f"{name} {layer}", json.dumps(scores.__dict__, sort_keys=True), flush=True)
            if a.out is not None:
                a.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
