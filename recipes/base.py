"""Train the lite family's multi-speaker base model on a CPU.

Development-time only. A lite voice has no posterior: it learns from the sound that a conversion
makes, by its spectra first, by the discriminators towards the end. The text encoder is also
given features of every other version of a clip (`recipes/cache.py`). What is shipped is the running
average of the weights. Saved every few minutes; run again to resume, on another day too, with a
cache that has grown.
Use: python recipes/base.py CACHE OUT [--steps N] [--batch N]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rvc.audio.mel import mel
from rvc.f0.contour import coarse
from rvc.files import replacing
from rvc.nets import config as net_settings
from rvc.nets.discriminators import Discriminators
from rvc.nets.synthesizer import TEMPERATURE, Synthesizer
from rvc.nets.voice_file import load_into, public_names
from rvc.precision import autocast
from rvc.train import losses

SPEAKERS = 96  # rows of the table: more than there are, so that the corpus may grow
FRAMES = 128  # of a training crop, 10 ms each
WARM_UP = 60
CLIP = 20.0
AVERAGE = 0.998  # of the running average of the weights
LAST = 0.05  # share of the learning rate that is left at the last step
RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64))


def spectral_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L1 of log magnitudes plus relative L1 of magnitudes at four resolutions, and L1 of log-mel,
    which counts what is heard: (B, N) each."""
    heard, wanted = (mel(x, 24000, 1024, 256, 1024, 80) for x in (fake, real))
    total = 2 * F.l1_loss(heard, wanted)
    for n_fft, hop in RESOLUTIONS:
        window = torch.hann_window(n_fft)
        a, b = (
            torch.view_as_real(torch.stft(x, n_fft, hop, window=window, return_complex=True))
            .square()
            .sum(-1)
            .add(1e-7)
            .sqrt()
            for x in (real, fake)
        )
        total = total + F.l1_loss(b.log(), a.log()) + (a - b).abs().mean() / a.mean()
    return total / len(RESOLUTIONS)


class Data:
    """All clips of a cache in memory; speakers are drawn by the square root of what they said.

    Args:
        hop: samples of one 10 ms frame.
        own: share of crops whose features are the clip's own.
        names: the speakers of a state that exists already; new ones come behind.
    """

    def __init__(self, cache: Path, hop: int, own: float = 0.5, names: Sequence[str] = ()) -> None:
        self.hop, self.own = hop, own
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for file in sorted(cache.glob("*.*.pt")):
            clips = torch.load(file, weights_only=True)
            found.setdefault(file.name.split(".")[0], []).extend(clips)
        self.names, self.clips = list(found), list(found.values())
        self.weights = [len(c) ** 0.5 for c in self.clips]
        if not any(self.weights):
            raise FileNotFoundError(f"{cache} holds no clips: run recipes/cache.py first.")

    def batch(self, size: int, rng: random.Random) -> tuple[Tensor, ...]:
        """phone, pitch, hz, wave, sid of `size` crops of FRAMES frames."""
        items: list[tuple[Tensor, Tensor, Tensor]] = []
        sids = rng.choices(range(len(self.clips)), self.weights, k=size)
        for sid in sids:
            clip = rng.choice(self.clips[sid])
            own, *others = clip["phones"]
            phone = own if not others or rng.random() < self.own else rng.choice(others)
            phone = phone.float().repeat_interleave(2, 0)
            count = min(len(phone), len(clip["hz"]), len(clip["wave"]) // self.hop)
            start = rng.randrange(max(1, count - FRAMES))
            pad = max(0, FRAMES - count)
            cut = slice(start, start + FRAMES)
            wave = clip["wave"][: count * self.hop]
            wave = wave[start * self.hop : (start + FRAMES) * self.hop].float() / 32768
            hz = F.pad(clip["hz"][:count][cut], (0, pad))
            phone = F.pad(phone[:count][cut], (0, 0, 0, pad))
            items.append((phone, hz, F.pad(wave, (0, pad * self.hop))))
        phone, hz, wave = (torch.stack(part) for part in zip(*items, strict=True))
        pitch = torch.from_numpy(coarse(hz.numpy()))
        return phone, pitch, hz, wave, torch.tensor(sids)


class Trainer:
    """Both networks, their optimisers, and one step of each."""

    def __init__(self, data: Data, lr: float, dtype: torch.dtype = torch.float32) -> None:
        self.settings = net_settings.load(24000, "lite")
        width = next(c for c in data.clips if c)[0]["phones"][0].shape[1]
        self.g = Synthesizer(self.settings, width, True, SPEAKERS, "lite")
        self.d = Discriminators("lite")
        self.opt_g = torch.optim.AdamW(self.g.parameters(), lr, betas=(0.8, 0.99))
        self.opt_d = torch.optim.AdamW(self.d.parameters(), lr, betas=(0.8, 0.99))
        self.dtype = dtype
        self.average = {k: v.clone() for k, v in self.g.state_dict().items()}
        self.step = 0

    def pace(self, lr: float, steps: int) -> None:
        """Set the learning rate: warmed up over the first steps, then falling to the last."""
        left = max(0.0, 1 - self.step / steps)
        lr *= min(1.0, (self.step + 1) / WARM_UP) * (LAST + (1 - LAST) * left)
        for opt in (self.opt_g, self.opt_d):
            for group in opt.param_groups:
                group["lr"] = lr

    def state(self, names: list[str]) -> dict[str, Any]:
        parts = ("g", "d", "opt_g", "opt_d")
        return {"step": self.step, "names": names, "average": self.average} | {
            p: getattr(self, p).state_dict() for p in parts
        }

    def load(self, state: dict[str, Any]) -> None:
        for part in ("g", "d", "opt_g", "opt_d"):
            getattr(self, part).load_state_dict(state[part])
        self.average = state["average"]
        self.step = state["step"]

    def begin(self, where: Path) -> None:
        """Start from the networks of a state, or from the base model in a kit's `lite` folder.

        The kit's speakers are others, so every row begins at their mean; where the embedder is of
        another width, the layer that reads its frames is drawn anew.
        """
        if where.is_dir():
            parts = (where / f"f0{part}24k.pth" for part in "GD")
            g, d = (torch.load(part, weights_only=True)["model"] for part in parts)
            g["emb_g.weight"] = g["emb_g.weight"].mean(0, keepdim=True).repeat(SPEAKERS, 1)
            fresh = public_names(self.g.state_dict())["enc_p.emb_phone.weight"]
            if g["enc_p.emb_phone.weight"].shape != fresh.shape:
                g["enc_p.emb_phone.weight"] = fresh.clone()
        else:
            kept = torch.load(where, weights_only=True)
            g, d = kept["average"], kept["d"]
        load_into(self.g, g, str(where))
        load_into(self.d, d, str(where))

    @torch.no_grad()
    def follow(self) -> None:
        """Let the running average follow the weights; a short average at first."""
        share = 1 - min(AVERAGE, (self.step + 1) / (self.step + 10))
        for key, value in self.g.state_dict().items():
            self.average[key].lerp_(value, share)

    def train(self, batch: tuple[Tensor, ...], adversarial: bool) -> dict[str, float]:
        """One step; the losses by name."""
        phone, pitch, hz, wave, sid = batch
        n, frames = hz.shape
        g = self.g.speaker(sid)
        lengths = torch.full((n,), frames)
        with autocast("cpu", self.dtype):
            m_p, logs_p, mask = self.g.encode(phone, pitch, lengths)
            z_p = m_p + torch.exp(logs_p) * torch.randn_like(m_p) * TEMPERATURE
            fake = self.g.dec(self.g.flow.reverse(z_p, mask, g), hz, g=g)[:, 0].float()
        prior = spectral_loss(wave, fake)
        moves = m_p.detach().std(2).mean().item()  # near zero: the encoder has collapsed
        said = {"prior": prior.item(), "moves": moves, "noise": logs_p.detach().exp().mean().item()}
        loss = 15 * prior
        if adversarial:
            loss = loss + self._discriminators(wave, fake, said)
        self.opt_g.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.g.parameters(), CLIP)
        said["norm"] = norm.item()
        self.opt_g.step()
        self.follow()
        self.step += 1
        return said

    def _discriminators(self, real: Tensor, fake: Tensor, said: dict[str, float]) -> Tensor:
        """Train the discriminators once, then what they say of the generator."""
        real, fake = real[:, None], fake[:, None]
        self.d.requires_grad_(True)
        with autocast("cpu", self.dtype):
            on_real, on_fake = self.d(real)[0], self.d(fake.detach())[0]
        wrong = losses.discriminator_loss(on_real, on_fake)
        self.opt_d.zero_grad()
        wrong.backward()
        self.opt_d.step()
        self.d.requires_grad_(False)
        with autocast("cpu", self.dtype):
            with torch.no_grad():
                maps = self.d(real)[1]
            verdicts, own = self.d(fake)
        said["d"] = wrong.item()
        adv, features = losses.adversarial_loss(verdicts), losses.feature_loss(maps, own)
        said["adv"], said["fm"] = adv.item(), features.item()
        return adv + features


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--discriminators", type=int, default=700, help="from this step on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="where the processor has it: twice")
    parser.add_argument("--begin", type=Path, help="a state, or a kit's lite folder")
    parser.add_argument("--own", type=float, default=0.5, help="share of features unperturbed")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--only", help="one speaker: fine-tune")
    return parser.parse_args()


def main() -> None:
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    rng = random.Random(a.seed)
    state = torch.load(a.out, weights_only=True) if a.out.exists() else None
    data = Data(a.cache, 240, a.own, state["names"] if state else ())
    if a.only:
        data.weights = [float(name == a.only) for name in data.names]
    trainer = Trainer(data, a.lr, torch.bfloat16 if a.bf16 else torch.float32)
    if state is not None:
        trainer.load(state)
        rng.seed(a.seed + trainer.step)
    elif a.begin is not None:
        trainer.begin(a.begin)
    means: dict[str, float] = {}
    began, saved, first = time.time(), time.time(), trainer.step
    while trainer.step < a.steps:
        trainer.pace(a.lr, a.steps)
        discriminators = trainer.step >= a.discriminators
        for key, value in trainer.train(data.batch(a.batch, rng), discriminators).items():
            means[key] = means.get(key, value) * 0.95 + value * 0.05
        if trainer.step % 10 == 0:
            rate = (time.time() - began) / (trainer.step - first)
            row = " ".join(f"{k} {v:.3f}" for k, v in means.items())
            cpu = time.process_time() / (time.time() - began)
            print(f"{trainer.step} {row} | {rate:.2f} s/step, cpu {cpu:.2f}", flush=True)
        if time.time() - saved > 120 or trainer.step >= a.steps:
            with replacing(a.out) as part:
                torch.save(trainer.state(data.names), part)
            saved = time.time()


if __name__ == "__main__":
    main()
