"""Train an embedder's projector: the same content from every speaker gives the same frames.

Development-time only. Two kinds of pairs teach what a speaker is: an utterance against itself
resampled (pitch, formants and speed), equalised, noisy and in a room; and the corpus's twins, the
same sentence in the same rhythm by two people, which need no alignment. Speakers and sentences that
are held out stay unseen, so that the probe is honest. First a closed-form Wiener projection, then a
convolutional correction by SGD.
Use: python recipes/bottleneck.py WHISPER_FOLDER CORPUS OUT [--width N] [--seconds S] [--steps N]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.signal
import soxr
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes import manifest
from rvc.embedders.manager import EmbedderManager
from rvc.embedders.whisper import Projector

SEED = 7
VERSIONS = 3  # perturbed copies of each recording
HIDDEN = 384
LONGEST = 8 * 16000  # samples of one utterance
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
    after = frames[np.minimum(low + 1, len(frames) - 1)]
    return np.asarray(frames[low] * (1 - part) + after * part)


def groups(whisper: Path, corpus: Path, seconds: float) -> list[list[np.ndarray]]:
    """Aligned versions of the same content: lists of (F, W) that mean the same frame by frame.

    Args:
        seconds: how much of each language is heard, twins first.
    """
    embed = EmbedderManager().load("custom", str(whisper))
    rng = np.random.default_rng(SEED)
    rows = [row for row in manifest.rows(corpus) if row["split"] == "train"]
    twins = manifest.twins(rows)
    rows.sort(key=lambda row: row["file"] not in twins)
    left = {row["language"]: seconds for row in rows}
    seen: set[str] = set()
    found = []
    for row in rows:
        if row["file"] in seen or left[row["language"]] < 0 or row["seconds"] < 1:
            continue
        others = twins.get(row["file"], [])
        seen |= {row["file"], *(other["file"] for other in others)}
        clean = manifest.wave_16k(corpus / row["file"])[:LONGEST]
        group = [embed(clean)]
        for other in others:
            group.append(embed(manifest.wave_16k(corpus / other["file"])[:LONGEST]))
        for _ in range(VERSIONS if not others else 1):
            group.append(stretched(embed(perturbed(clean, rng)[0]), len(group[0])))
        found.append([version for version in group if len(version) == len(group[0])])
        left[row["language"]] -= row["seconds"]
    print(len(found), left, round(time.process_time()), flush=True)
    return found


def wiener(found: list[list[np.ndarray]], width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(matrix (width, W), bias, reliability of each direction) of the linear projection."""
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
    best = np.argsort(values)[::-1][:width]
    gain = np.clip(values[best], 0, 1)
    matrix = (vectors[:, best] * gain).T
    return matrix, -matrix @ mean, gain


def correct(
    found: list[list[np.ndarray]], net: Projector, reliability: np.ndarray, steps: int
) -> Projector:
    """Teach the convolutional correction: predict what the *other* versions have in common."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    linear = torch.nn.Linear(net.linear.in_features, net.linear.out_features)
    linear.load_state_dict(net.linear.state_dict())
    gain = torch.tensor(reliability, dtype=torch.float32).clamp(min=0.05)
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
    config |= {"projector_hidden": hidden, "projector_width": net.linear.out_features}
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
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--seconds", type=float, default=240, help="of each language")
    a = parser.parse_args()
    torch.set_num_threads(1)
    found = groups(a.whisper, a.corpus, a.seconds)
    heard = found[0][0].shape[1]
    matrix, bias, gain = wiener(found, a.width)
    print("reliability", np.round(gain[[0, 15, 31, 63, 95, 127, -1]], 3), flush=True)
    flat = Projector(heard, 0, a.width)
    flat.linear.weight.data = torch.tensor(matrix, dtype=torch.float32)
    flat.linear.bias.data = torch.tensor(bias, dtype=torch.float32)
    save(a.whisper, flat, 0, a.out / "linear")
    if a.steps:
        net = Projector(heard, HIDDEN, a.width)
        net.linear.load_state_dict(flat.linear.state_dict())
        assert net.back is not None
        assert net.back.bias is not None
        torch.nn.init.zeros_(net.back.weight)
        torch.nn.init.zeros_(net.back.bias)
        save(a.whisper, correct(found, net, gain, a.steps), HIDDEN, a.out / "conv")


if __name__ == "__main__":
    main()
