"""Cost of the lite family against the 40 kHz HiFi-GAN: training steps and conversion, CPU seconds.

    python benchmarks/lite.py [--batch 4] [--frames 300] [--steps 3]

CPU seconds rather than wall seconds, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rvc.audio.mel import mel
from rvc.nets import VOCODERS
from rvc.nets import config as configs
from rvc.nets.discriminators import Discriminators
from rvc.nets.layers import slices
from rvc.nets.synthesizer import Synthesizer
from rvc.train import losses

KINDS = (("HiFi-GAN", 40000, 768), ("lite", 24000, 192))


def inputs(batch: int, frames: int, width: int, bins: int) -> tuple[torch.Tensor, ...]:
    """phone, lengths, pitch, f0, spec, lengths, sid of a random batch."""
    lengths = torch.full((batch,), frames)
    phone, spec = torch.randn(batch, frames, width), torch.rand(batch, bins, frames)
    pitch, hz = torch.full((batch, frames), 90), torch.full((batch, frames), 150.0)
    return phone, lengths, pitch, hz, spec, lengths, torch.zeros(batch, dtype=torch.long)


class Step:
    """One training step of a family as the program does it: discriminators, then generator."""

    def __init__(self, vocoder: str, rate: int, width: int, batch: int, frames: int) -> None:
        self.s = replace(configs.load(rate, vocoder), spk_embed_dim=1)
        info = VOCODERS[vocoder]
        self.multi = info.mel == "multi"
        self.g = Synthesizer(self.s, width, True, 1, vocoder)
        self.d = Discriminators(info.discriminator)
        self.batch = inputs(batch, frames, width, self.s.spec_channels)
        self.wave = 0.1 * torch.randn(batch, 1, frames * self.s.hop_length)

    def mel_loss(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        s = self.s
        if self.multi:
            return losses.multiscale_mel_loss(real, fake, s.sample_rate) * s.c_mel / 3
        shape = (s.sample_rate, s.filter_length, s.hop_length, s.win_length, s.n_mel_channels)
        a, b = (mel(x[:, 0], *shape) for x in (real, fake))
        return losses.mel_loss(a, b) * s.c_mel

    def __call__(self) -> None:
        out = self.g(*self.batch)
        hop = self.s.hop_length
        real = slices(self.wave, out.starts * hop, self.s.segment_size)
        self.d.requires_grad_(True)
        losses.discriminator_loss(self.d(real)[0], self.d(out.audio.detach())[0]).backward()
        self.d.requires_grad_(False)
        with torch.no_grad():
            maps = self.d(real)[1]
        verdicts, own = self.d(out.audio)
        total = losses.adversarial_loss(verdicts) + losses.feature_loss(maps, own)
        total = total + self.mel_loss(real, out.audio)
        if out.z_p is not None:
            total = total + losses.kl_loss(out.z_p, out.logs_q, out.m_p, out.logs_p, out.y_mask)
        total.backward()


def seconds(work: Callable[[], object], times: int) -> float:
    """Least CPU seconds of one call."""
    work()
    spent = []
    for _ in range(times):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--steps", type=int, default=2)
    a = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for vocoder, rate, width in KINDS:
        step = Step(vocoder, rate, width, a.batch, a.frames)
        train = seconds(step, a.steps)
        phone, lengths, pitch, hz, _, _, sid = inputs(1, a.frames, width, 1)
        with torch.inference_mode():
            net = step.g.eval()
            voice = seconds(lambda: net.infer(phone, lengths, pitch, hz, sid), 3)  # noqa: B023
        found[vocoder] = train, voice
        print(f"{vocoder}: {train:.2f} s per step, {voice / a.frames * 100:.3f} s per second")
    usual, lite = found["HiFi-GAN"], found["lite"]
    print(f"lite: {usual[0] / lite[0]:.1f} x steps, {usual[1] / lite[1]:.1f} x conversion")


if __name__ == "__main__":
    main()
