"""Train the mini embedder's projector: the same content from every speaker gives the same frames.

Development-time only. Two kinds of pairs teach what a speaker is: a recording against itself
resampled (pitch, formants and speed), equalised, noisy and in a room; and one sentence spoken by
several synthetic voices, aligned by dynamic time warping. rms and kal16 stay unseen, so that the
probe is honest. First a closed-form Wiener projection, then a convolutional correction by SGD.
Use: python recipes/bottleneck.py WHISPER_FOLDER CORPUS OUT [--steps N]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import librosa
import numpy as np
import scipy.linalg
import scipy.signal
import soundfile as sf
import soxr
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rvc.embedders.manager import EmbedderManager
from rvc.embedders.whisper import Projector

SEED = 7
PARALLEL = ("slt", "awb", "slt-hts", "ked", "espeak-en-us+m1", "espeak-en-gb+m3", "espeak-en-us+f4")
HUMAN = ("en", "es", "fr", "it", "ru")
VERSIONS = 3  # perturbed copies of each recording
WIDTH, HIDDEN = 192, 384
POSITIONS, WINDOW = "encoder.embed_positions.weight", 750  # half of Whisper's window is enough


def perturbed(wave: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """(another speaker's version of it, how many times longer it is)."""
    factor = float(np.exp(rng.uniform(np.log(0.78), np.log(1.28))))
    out = soxr.resample(wave, 16000, 16000 * factor)
    tilt = rng.uniform(-0.6, 0.6)
    out = scipy.signal.lfilter([1.0, tilt], [1.0], out)
    for _ in range(3):
        centre, width = np.exp(rng.uniform(np.log(150), np.log(7000))), rng.uniform(1.0, 2.5)
        b, a = scipy.signal.iirpeak(centre, width, fs=16000)
        out = out + (10 ** (rng.uniform(-9, 9) / 20) - 1) * scipy.signal.lfilter(b, a, out)
    if rng.random() < 0.3:
        tail = rng.standard_normal(3200) * np.exp(-np.arange(3200) / rng.uniform(200, 900))
        wet = scipy.signal.fftconvolve(out, tail)[: len(out)]
        out = out + 0.15 * wet * out.std() / (wet.std() + 1e-9)
    snr_db = rng.uniform(12, 50)
    out = out + rng.standard_normal(len(out)) * out.std() * 10 ** (-snr_db / 20)
    return (out / max(1e-6, np.abs(out).max()) * rng.uniform(0.2, 0.9)).astype(np.float32), factor


def stretched(frames: np.ndarray, count: int) -> np.ndarray:
    """Frames of a version that lasts another time, brought to `count` frames."""
    at = np.linspace(0, len(frames) - 1, count)
    low = np.floor(at).astype(int)
    part = (at - low)[:, None].astype(np.float32)
    return frames[low] * (1 - part) + frames[np.minimum(low + 1, len(frames) - 1)] * part


def groups(whisper: Path, corpus: Path, seconds: float) -> list[list[np.ndarray]]:
    """Aligned versions of the same content: lists of (F, 384) that mean the same frame by frame."""
    embed = EmbedderManager().load("custom", str(whisper))
    rng = np.random.default_rng(SEED)
    found = []
    rows = json.loads((corpus / "index.json").read_text())

    def wave(row: dict) -> np.ndarray:
        return soxr.resample(sf.read(corpus / row["file"], dtype="float32")[0], 24000, 16000)

    for speaker in HUMAN:
        left = seconds
        mine = [r for r in rows if r["speaker"] == speaker]
        for i in rng.permutation(len(mine)):
            clean = wave(mine[i])[: 16000 * 8]
            if len(clean) < 16000:
                continue
            first = embed(clean)
            copies = [embed(perturbed(clean, rng)[0]) for _ in range(VERSIONS)]
            found.append([first, *(stretched(c, len(first)) for c in copies)])
            left -= len(clean) / 16000
            if left < 0:
                break
        print(speaker, round(time.process_time()), flush=True)
    texts = defaultdict(list)
    for row in rows:
        if row["speaker"] in PARALLEL:
            texts[row["text"]].append(row)
    for same in [t for t in texts.values() if len(t) > 2][: int(seconds / 3)]:
        found.append(
            _warped([embed(wave(r)) for r in same], embed(perturbed(wave(same[0]), rng)[0]))
        )
    print("parallel", round(time.process_time()), len(found), flush=True)
    return found


def _warped(spoken: list[np.ndarray], copy: np.ndarray) -> list[np.ndarray]:
    """Every version of a sentence on the time axis of the first."""
    first = spoken[0]
    out = [first, stretched(copy, len(first))]
    for other in spoken[1:]:
        _, path = librosa.sequence.dtw(first.T, other.T, metric="cosine")
        total, hits = np.zeros_like(first), np.zeros((len(first), 1), np.float32)
        np.add.at(total, path[:, 0], other[path[:, 1]])
        np.add.at(hits, path[:, 0], 1)
        out.append(total / hits)
    return out


def wiener(found: list[list[np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(matrix (WIDTH, 384), bias, reliability of each direction) of the linear projection."""
    frames = np.concatenate([v for g in found for v in g]).astype(np.float64)
    mean = frames.mean(0)
    total = np.cov(frames.T)
    within = np.zeros_like(total)
    weight = 0
    for group in found:
        stack = np.stack(group).astype(np.float64)
        gap = (stack - stack.mean(0)).reshape(-1, total.shape[0])
        within += gap.T @ gap * len(group) / (len(group) - 1)
        weight += len(gap)
    between = total - within / weight
    values, vectors = scipy.linalg.eigh(between, total + 1e-4 * np.eye(len(total)))
    best = np.argsort(values)[::-1][:WIDTH]
    gain = np.clip(values[best], 0, 1)
    matrix = (vectors[:, best] * gain).T
    return matrix, -matrix @ mean, gain


def correct(found: list[list[np.ndarray]], net: Projector, steps: int) -> Projector:
    """Teach the convolutional correction: predict what the *other* versions have in common."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    linear = torch.nn.Linear(384, WIDTH)
    linear.load_state_dict(net.linear.state_dict())
    gain = torch.tensor(net.gain).clamp(min=0.05)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    began, running = time.time(), 0.0
    for step in range(steps):
        xs, ys = [], []
        for g in rng.choice(len(found), 24):
            group = found[g]
            pick = int(rng.integers(len(group)))
            others = np.mean([v for i, v in enumerate(group) if i != pick], axis=0)
            start = int(rng.integers(max(1, len(others) - 100)))
            xs.append(torch.from_numpy(group[pick][start : start + 100]))
            ys.append(torch.from_numpy(others[start : start + 100]))
        x, y = (torch.nn.utils.rnn.pad_sequence(s, batch_first=True) for s in (xs, ys))
        with torch.no_grad():
            target = linear(y) / gain  # unit variance before shrinking
        loss = ((net(x) / gain - target).square() * gain).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        running += (loss.item() - running) * max(0.02, 1 / (step + 1))
        if step % 200 == 199:
            print(f"step {step + 1} loss {running:.4f} {time.time() - began:.0f} s", flush=True)
    return net


def save(whisper: Path, net: Projector, hidden: int, out: Path) -> None:
    """The Whisper folder with the projector in it, float16."""
    out.mkdir(parents=True, exist_ok=True)
    config = json.loads((whisper / "config.json").read_text())
    config |= {"projector_hidden": hidden, "projector_width": WIDTH}
    config["max_source_positions"] = WINDOW
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    heard = {"do_normalize": False, "sampling_rate": 16000}
    (out / "preprocessor_config.json").write_text(json.dumps(heard, indent=2) + "\n")
    weights = load_file(whisper / "model.safetensors")
    weights = {k: v for k, v in weights.items() if not k.startswith("projector.")}
    weights[POSITIONS] = weights[POSITIONS][:WINDOW].clone()
    weights |= {f"projector.{k}": v.half().contiguous() for k, v in net.state_dict().items()}
    save_file(weights, out / "model.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("whisper", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=420, help="per human speaker")
    a = parser.parse_args()
    found = groups(a.whisper, a.corpus, a.seconds)
    matrix, bias, gain = wiener(found)
    print("reliability", np.round(gain[[0, 15, 31, 63, 95, 127, 191]], 3), flush=True)
    flat = Projector(384, 0, WIDTH)
    flat.linear.weight.data = torch.tensor(matrix, dtype=torch.float32)
    flat.linear.bias.data = torch.tensor(bias, dtype=torch.float32)
    save(a.whisper, flat, 0, a.out / "linear")
    net = Projector(384, HIDDEN, WIDTH)
    net.linear.load_state_dict(flat.linear.state_dict())
    net.back.weight.data.zero_()
    net.back.bias.data.zero_()
    net.gain = gain.astype(np.float32)
    save(a.whisper, correct(found, net, a.steps), HIDDEN, a.out / "conv")


if __name__ == "__main__":
    main()
