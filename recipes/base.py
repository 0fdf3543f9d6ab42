"""Train the lite family's multi-speaker base model on a CPU.

Development-time only. The standard objective of a voice, plus two things that few CPU hours need:
the decoder also learns from the prior's own latent (what conversion will give it). That comes
first and alone; the posterior and the critics join later. Saved every few
minutes; run again to resume, also when the cache has grown.
Use: python recipes/base.py CACHE MINI_FOLDER OUT [--steps N] [--batch N]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rvc.audio.mel import spectrogram
from rvc.f0.contour import coarse
from rvc.features.manager import EmbedderManager
from rvc.nets import settings as net_settings
from rvc.nets.discriminators import Discriminators
from rvc.nets.layers import slices
from rvc.nets.synthesizer import Synthesizer
from rvc.train import losses

SEED = 11
SPEAKERS = (
    *("slt-hts", "slt", "rms", "awb", "ked", "en", "es", "fr", "it", "ru"),
    *("espeak-en-us+m1", "espeak-en-us+f2", "espeak-en-gb+m3", "espeak-en-us+f4"),
    *("espeak-es+f1", "espeak-fr+m2", "espeak-it+f3", "espeak-de+m5"),
)
FRAMES = 128  # of a training crop, 10 ms each
POSTERIOR_FRAMES = 48
WARM_UP = 60
ENCODER_SHARE = 0.35  # of the learning rate: post-norm attention collapses at the full one
CLIP = 20.0
RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64))


def spectral_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L1 of log magnitudes plus relative L1 of magnitudes at four resolutions: (B, N) each."""
    total = real.new_zeros(())
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
    """All clips in memory; half of the crops are of the demo speaker."""

    def __init__(self, cache: Path, mini: Path, hop: int) -> None:
        self.hop = hop
        self.names = list(SPEAKERS)
        files = [cache / f"{name}.pt" for name in SPEAKERS]
        self.clips = [torch.load(f, weights_only=True) if f.exists() else [] for f in files]
        self.weights = [len(c) ** 0.5 for c in self.clips]
        self.weights[0] = sum(self.weights[1:]) or 1.0
        projector = EmbedderManager().load("custom", str(mini)).network.projector
        with torch.inference_mode():
            for clip in (c for clips in self.clips for c in clips):
                clip["phone"] = projector(clip["phone"].float()[None])[0].clone()

    def batch(self, size: int, rng: random.Random) -> tuple[Tensor, ...]:
        """phone, pitch, hz, spec, wave, sid of `size` crops of FRAMES frames."""
        items = []
        for sid in rng.choices(range(len(self.clips)), self.weights, k=size):
            clip = rng.choice(self.clips[sid])
            phone = clip["phone"].repeat_interleave(2, 0)
            count = min(len(phone), len(clip["hz"]), len(clip["wave"]) // self.hop)
            start = rng.randrange(max(1, count - FRAMES))
            pad = max(0, FRAMES - count)
            cut = slice(start, start + FRAMES)
            wave = clip["wave"][: count * self.hop]
            wave = wave[start * self.hop : (start + FRAMES) * self.hop].float() / 32768
            hz = F.pad(clip["hz"][:count][cut], (0, pad))
            phone = F.pad(phone[:count][cut], (0, 0, 0, pad))
            items.append((phone, hz, F.pad(wave, (0, pad * self.hop)), sid))
        phone, hz, wave = (torch.stack([i[k] for i in items]) for k in range(3))
        pitch = torch.from_numpy(coarse(hz.numpy()))
        spec = spectrogram(wave, 1024, self.hop, 1024)
        return phone, pitch, hz, spec, wave, torch.tensor([i[3] for i in items])


class Trainer:
    """Both networks, their optimisers, and one step of each."""

    def __init__(self, data: Data, lr: float) -> None:
        self.settings = net_settings.load(24000, "lite")
        width = next(c for c in data.clips if c)[0]["phone"].shape[1]
        self.g = Synthesizer(self.settings, width, True, len(data.names), "lite")
        self.d = Discriminators("lite")
        encoder = list(self.g.enc_p.parameters())
        rest = [p for n, p in self.g.named_parameters() if not n.startswith("enc_p.")]
        groups = [{"params": rest, "share": 1.0}, {"params": encoder, "share": ENCODER_SHARE}]
        self.opt_g = torch.optim.AdamW(groups, lr, betas=(0.8, 0.99))
        self.opt_d = torch.optim.AdamW(self.d.parameters(), lr, betas=(0.8, 0.99))
        self.step = 0

    def pace(self, lr: float) -> None:
        """Set the learning rate, warmed up over the first steps."""
        for opt in (self.opt_g, self.opt_d):
            for group in opt.param_groups:
                group["lr"] = lr * group.get("share", 1.0) * min(1.0, (self.step + 1) / WARM_UP)

    def state(self, names: list[str]) -> dict[str, Any]:
        parts = ("g", "d", "opt_g", "opt_d")
        return {"step": self.step, "names": names} | {
            p: getattr(self, p).state_dict() for p in parts
        }

    def load(self, state: dict[str, Any]) -> None:
        for part in ("g", "d", "opt_g", "opt_d"):
            getattr(self, part).load_state_dict(state[part])
        self.step = state["step"]

    def train(
        self, batch: tuple[Tensor, ...], posterior: bool, adversarial: bool
    ) -> dict[str, float]:
        """One step; the losses by name."""
        phone, pitch, hz, spec, wave, sid = batch
        n, frames = hz.shape
        g = self.g.speaker(sid)
        lengths = torch.full((n,), frames)
        m_p, logs_p, mask = self.g.encode(phone, pitch, lengths)
        fake = self.g.dec(self.g.flow.reverse(m_p, mask, g), hz, g=g)[:, 0]
        prior = spectral_loss(wave, fake)
        moves = m_p.detach().std(2).mean().item()  # near zero: the encoder has collapsed
        said, loss = {"prior": prior.item(), "moves": moves}, 15 * prior
        if posterior:
            loss = loss + self._posterior(batch, (m_p, logs_p, mask), g, said)
        if adversarial:
            loss = loss + self._critics(wave, fake, said)
        self.opt_g.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.g.parameters(), CLIP)
        said["norm"] = norm.item()
        self.opt_g.step()
        self.step += 1
        return said

    def _posterior(
        self,
        batch: tuple[Tensor, ...],
        prior: tuple[Tensor, Tensor, Tensor],
        g: Tensor,
        said: dict[str, float],
    ) -> Tensor:
        """The standard objective: sound from the posterior's latent, and how far the prior is."""
        _, _, hz, spec, wave, _ = batch
        (n, frames), (m_p, logs_p, mask), hop = hz.shape, prior, self.settings.hop_length
        z, _, logs_q, _ = self.g.enc_q(spec, torch.full((n,), frames), g)
        kl = losses.kl_loss(self.g.flow(z, mask, g), logs_q, m_p, logs_p, mask) / z.shape[1]
        size = POSTERIOR_FRAMES
        start = torch.randint(0, frames - size + 1, (n,))
        part = slices(hz[:, None], start, size)[:, 0]
        fake = self.g.dec(slices(z, start, size), part, g=g)[:, 0]
        spectral = spectral_loss(slices(wave[:, None], start * hop, size * hop)[:, 0], fake)
        said["kl"], said["post"] = kl.item(), spectral.item()
        return 15 * spectral + 2 * kl

    def _critics(self, real: Tensor, fake: Tensor, said: dict[str, float]) -> Tensor:
        """Train the critics once, then what they say of the generator."""
        real, fake = real[:, None], fake[:, None]
        self.d.requires_grad_(True)
        wrong = losses.discriminator_loss(self.d(real)[0], self.d(fake.detach())[0])
        self.opt_d.zero_grad()
        wrong.backward()
        self.opt_d.step()
        self.d.requires_grad_(False)
        with torch.no_grad():
            maps = self.d(real)[1]
        verdicts, own = self.d(fake)
        said["d"] = wrong.item()
        adv, features = losses.adversarial_loss(verdicts), losses.feature_loss(maps, own)
        said["adv"], said["fm"] = adv.item(), features.item()
        return adv + features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("mini", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--posterior", type=int, default=500, help="from this step on")
    parser.add_argument("--critics", type=int, default=700, help="from this step on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--begin", type=Path, help="take all but the encoder from this state")
    parser.add_argument("--frozen", action="store_true", help="train the posterior alone")
    parser.add_argument("--only", help="one speaker: fine-tune")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    data = Data(a.cache, a.mini, 240)
    if a.only:
        data.weights = [float(n == a.only) for n in data.names]
    trainer = Trainer(data, a.lr)
    if a.begin is not None:
        kept = torch.load(a.begin, weights_only=True)["g"]
        kept = {k: v for k, v in kept.items() if not k.startswith("enc_p.")}
        trainer.g.load_state_dict(kept, strict=False)
    if a.out.exists():
        trainer.load(torch.load(a.out, weights_only=True))
        rng.seed(SEED + trainer.step)
    if a.frozen:
        trainer.g.requires_grad_(False)
        trainer.g.enc_q.requires_grad_(True)
    means: dict[str, float] = {}
    began, saved, first = time.time(), time.time(), trainer.step
    while trainer.step < a.steps:
        trainer.pace(a.lr)
        on = trainer.step >= a.posterior, trainer.step >= a.critics
        for key, value in trainer.train(data.batch(a.batch, rng), *on).items():
            means[key] = means.get(key, value) * 0.95 + value * 0.05
        if trainer.step % 10 == 0:
            rate = (time.time() - began) / (trainer.step - first)
            row = " ".join(f"{k} {v:.3f}" for k, v in means.items())
            cpu = time.process_time() / (time.time() - began)
            print(f"{trainer.step} {row} | {rate:.2f} s/step, cpu {cpu:.2f}", flush=True)
        if time.time() - saved > 120 or trainer.step >= a.steps:
            part = a.out.with_suffix(".part")
            torch.save(trainer.state(data.names), part)
            part.replace(a.out)
            saved = time.time()


if __name__ == "__main__":
    main()
