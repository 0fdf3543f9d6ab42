"""Phone and speaker accuracy of an embedder's frames: two linear probes on flite's voices.

Development-time only; needs Debian's flite. Phones are learnt on slt, awb and kal16 and judged on
unseen sentences of rms; speakers are judged on unseen sentences of all four.
Use: python recipes/probe.py FOLDER [LAYER]   (FOLDER: config.json + model.safetensors)
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

VOICES = ("slt", "awb", "kal16", "rms")
TEXTS = ("Artistic", "GPL-2", "Apache-2.0")
SPLIT = 50
Row = tuple[str, int, np.ndarray, list[str]]


def sentences(most: int = 90) -> list[str]:
    """English that every Debian machine has."""
    folder = Path("/usr/share/common-licenses")
    text = re.sub(r"\s+", " ", " ".join((folder / name).read_text() for name in TEXTS))
    clean = (re.sub(r"[^A-Za-z ,']", " ", part).strip() for part in re.split(r"[.;]\s", text))
    return [s for s in clean if 40 < len(s) < 120][:most]


def rows(extract: Callable[[np.ndarray], np.ndarray]) -> list[Row]:
    """(voice, sentence, frames, phones) of everything spoken."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        wav = f"{folder}/x.wav"
        for voice in VOICES:
            for number, text in enumerate(sentences()):
                order = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", wav]
                said = subprocess.run(order, capture_output=True, text=True, check=True)
                pairs = [p.split(":") for p in said.stdout.split()]
                frames = extract(sf.read(wav, dtype="float32")[0])
                centre_s = (np.arange(len(frames)) * 320 + 200) / 16000
                found = np.searchsorted([float(end) for _, end in pairs], centre_s)
                names = [pairs[i][0] for i in np.minimum(found, len(pairs) - 1)]
                out.append((voice, number, frames, names))
    return out


def accuracies(data: list[Row]) -> tuple[float, float]:
    """(phones on the unseen voice, speakers on unseen sentences)."""
    names = sorted({p for *_, phones in data for p in phones})

    def stack(keep: Callable[[Row], bool], speakers: bool) -> tuple[np.ndarray, np.ndarray]:
        kept = [r for r in data if keep(r)]
        label = [
            [VOICES.index(r[0])] * len(r[2]) if speakers else [names.index(p) for p in r[3]]
            for r in kept
        ]
        return np.concatenate([r[2] for r in kept]), np.concatenate(label)

    phones = stack(lambda r: r[0] != "rms" and r[1] < SPLIT, False)
    unseen = stack(lambda r: r[0] == "rms" and r[1] >= SPLIT, False)
    early, late = stack(lambda r: r[1] < SPLIT, True), stack(lambda r: r[1] >= SPLIT, True)
    return _linear(phones, unseen, len(names)), _linear(early, late, len(VOICES))


def _linear(train: tuple, test: tuple, classes: int) -> float:
    torch.manual_seed(0)
    mean, std = train[0].mean(0), train[0].std(0) + 1e-4
    x, x_test = (torch.tensor((a - mean) / std, dtype=torch.float32) for a in (train[0], test[0]))
    y, y_test = torch.tensor(train[1]), torch.tensor(test[1])
    layer = torch.nn.Linear(x.shape[1], classes)
    optimiser = torch.optim.Adam(layer.parameters(), 3e-3)
    for _ in range(12):
        for batch in torch.randperm(len(x)).split(1024):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[batch]), y[batch]).backward()
            optimiser.step()
    return (layer(x_test).argmax(1) == y_test).float().mean().item()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from rvc.embedders.manager import EmbedderManager

    layer = int(sys.argv[2]) if len(sys.argv) > 2 else None
    embedder = EmbedderManager().load("custom", sys.argv[1], layer=layer)
    print("phone {:.3f}, speaker {:.3f}".format(*accuracies(rows(embedder))))
