"""Teach a small encoder all languages: tiny.en learns to give what multilingual base gives.

Whisper tiny's encoder costs less than half of base's and fits the time that a live conversion has,
but the one at hand heard English only. It begins from its own weights and learns base's frames
through a linear head, from clean, degraded and perturbed versions of the corpus; the head is then
dropped (`bottleneck.py` makes a projector). Development-time only. Saved every few minutes; run
again to resume.
Use: python recipes/distil_encoder.py CORPUS STUDENT_FOLDER TEACHER_FOLDER OUT [--steps N]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes import manifest
from recipes.bottleneck import perturbed
from recipes.manifest import Row
from rvc.embedders.manager import EmbedderManager
from rvc.embedders.whisper import WhisperEncoder

CROP = 4 * 16000  # samples of one example
CLEAN, DEGRADED = 0.5, 0.3  # shares of inputs; the rest is made to sound like another speaker
AVERAGE = 0.995  # of the running average of the weights
SCALE_CLIPS = 60  # heard first for the mean and deviation of the teacher's frames


@dataclass
class Speech:
    """Crops of the corpus, drawn evenly over languages."""

    corpus: Path
    rng: random.Random
    languages: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in manifest.rows(self.corpus):
            if row["split"] == "train" and row["seconds"] >= 1.5:
                self.languages.setdefault(row["language"], []).append(row)

    def crop(self) -> tuple[Tensor, Tensor]:
        """(what the student hears, what the teacher hears): (N,) at 16 kHz, the same in time.

        A perturbed version lasts another time, so the teacher hears that one, too: the probe tells
        whether base is deaf enough to speakers.
        """
        row = self.rng.choice(self.languages[self.rng.choice(sorted(self.languages))])
        clean = manifest.wave_16k(self.corpus / row["file"])
        start = self.rng.randrange(max(1, len(clean) - CROP))
        cut = slice(start, start + CROP)
        drawn = self.rng.random()
        if drawn < CLEAN:
            pair = clean[cut], clean[cut]
        elif drawn < CLEAN + DEGRADED:
            file = self.rng.choice(list(row["versions"].values()))
            pair = manifest.wave_16k(self.corpus / file)[cut], clean[cut]
        else:
            changed, _ = perturbed(clean[cut], np.random.default_rng(self.rng.randrange(1 << 30)))
            pair = changed, changed
        level = self.rng.uniform(0.1, 1.0)
        heard, wanted = (torch.from_numpy(np.ascontiguousarray(w, np.float32)) for w in pair)
        return heard * level, wanted


def _encoder(folder: Path) -> WhisperEncoder:
    network = EmbedderManager().load("custom", str(folder)).network
    if not isinstance(network, WhisperEncoder):
        raise TypeError(f"{folder} holds no Whisper encoder.")
    return network


class Distiller:
    """Student, head, teacher, and one step."""

    def __init__(self, student: Path, teacher: Path, lr: float) -> None:
        self.student, self.teacher = _encoder(student), _encoder(teacher)
        self.student.requires_grad_(True)
        self.teacher.requires_grad_(False)
        self.head = nn.Linear(self.student.width, self.teacher.width)
        parts = [*self.student.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.AdamW(parts, lr, betas=(0.9, 0.98), weight_decay=0.01)
        self.mean = torch.zeros(self.teacher.width)
        self.deviation = torch.ones(self.teacher.width)
        self.average = {k: v.clone() for k, v in self.student.state_dict().items()}
        self.step = 0

    @torch.no_grad()
    def measure(self, speech: Speech) -> None:
        """The scale of the teacher's frames, so that every number in them counts alike."""
        frames = [self.teacher([speech.crop()[1]])[0] for _ in range(SCALE_CLIPS)]
        every = torch.cat(frames)
        self.mean, self.deviation = every.mean(0), every.std(0) + 1e-3

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "student": self.student.state_dict(),
            "average": self.average,
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scale": (self.mean, self.deviation),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.student.load_state_dict(state["student"])
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step = state["average"], state["step"]
        self.mean, self.deviation = state["scale"]

    def train(self, pairs: list[tuple[Tensor, Tensor]], lr: float) -> float:
        """One step on some crops; the mean squared error against standardised frames."""
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.zero_grad()
        total = 0.0
        for heard, wanted in pairs:
            with torch.no_grad():
                target = (self.teacher([wanted])[0] - self.mean) / self.deviation
            loss = F.mse_loss(self.head(self.student([heard])[0]), target) / len(pairs)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        share = 1 - min(AVERAGE, self.step / (self.step + 10))
        with torch.no_grad():
            for key, value in self.student.state_dict().items():
                self.average[key].lerp_(value, share)
        return total

    def write(self, source: Path, out: Path) -> None:
        """The averaged student as an embedder folder like the one it began from."""
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "config.json", out / "config.json")
        kept = {k: v.half().contiguous() for k, v in self.average.items() if v.is_floating_point()}
        save_file(kept, out / "model.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("corpus", "student", "teacher", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=17)
    a = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    trainer = Distiller(a.student, a.teacher, a.lr)
    saved_file = a.out / "state.pt"
    a.out.mkdir(parents=True, exist_ok=True)
    speech = Speech(a.corpus, random.Random(a.seed))
    if saved_file.exists():
        trainer.load(torch.load(saved_file, weights_only=True))
        speech.rng.seed(a.seed + trainer.step)
    else:
        trainer.measure(speech)
    mean, saved = 0.0, time.time()
    while trainer.step < a.steps:
        left = 1 - trainer.step / a.steps
        lr = a.lr * min(1.0, (trainer.step + 1) / 100) * (0.05 + 0.95 * left)
        loss = trainer.train([speech.crop() for _ in range(a.batch)], lr)
        mean += (loss - mean) * max(0.02, 1 / trainer.step)
        if trainer.step % 20 == 0:
            print(f"{trainer.step} {mean:.4f} cpu {time.process_time():.0f} s", flush=True)
        if time.time() - saved > 120 or trainer.step >= a.steps:
            part = saved_file.with_suffix(".part")
            torch.save(trainer.state(), part)
            part.replace(saved_file)
            trainer.write(a.student, a.out)
            saved = time.time()


if __name__ == "__main__":
    main()
