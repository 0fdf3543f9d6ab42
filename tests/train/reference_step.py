"""The training step written down plainly, to measure the one in use against.

Both discriminator passes as separate whole passes, a graph kept for everything, gradients for
everything, networks and optimiser in their plain form: what the formulas say, and nothing else.
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW

from rvc.nets.discriminators import Discriminator, Period
from rvc.nets.layers import SLOPE, ResBlock, slices
from rvc.train import losses
from rvc.train.dataset import Batch
from rvc.train.state import State
from rvc.train.step import Losses, Recipe


def plain_block(block: ResBlock, x: Tensor) -> Tensor:
    for dilated, plain in zip(block.convs1, block.convs2, strict=True):
        y = dilated(F.leaky_relu(x, block.slope))
        x = x + plain(F.leaky_relu(y, block.slope))
    return x


def plain_discriminator(discriminator: Discriminator, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
    x, maps = discriminator.prepare(wave), []
    for conv in discriminator.convs:
        x = F.leaky_relu(conv(x), SLOPE)
        maps.append(x)
    x = discriminator.conv_post(x)
    return x.flatten(1), [*maps, x]


def plain_feature_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """As in the original: the discriminators' weights get gradients on both sides, never used."""
    pairs = [(r, f) for rs, fs in zip(real, fake, strict=True) for r, f in zip(rs, fs, strict=True)]
    return 2 * torch.stack([(r.float() - f.float()).abs().mean() for r, f in pairs]).sum()


def plain_networks(g: nn.Module, d: nn.Module) -> None:
    """Take out of these networks what only makes them faster or smaller."""
    for net, kind, forward in ((g, ResBlock, plain_block), (d, Discriminator, plain_discriminator)):
        for part in net.modules():
            if isinstance(part, kind):
                setattr(part, "forward", MethodType(forward, part))  # noqa: B010 (a method)
            if isinstance(part, Period):
                part.flat = False


def make_plain(s: State, recipe: Recipe) -> None:
    """Plain networks, and AdamW as torch sets it up by default."""
    plain_networks(s.g, s.d)
    for name, net in (("optim_g", s.g), ("optim_d", s.d)):
        settings = recipe.settings
        plain = AdamW(net.parameters(), settings.learning_rate, settings.betas, settings.eps)
        setattr(s, name, plain)


def _gradient_norm(network: nn.Module) -> Tensor:
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(grads)


def reference_step(s: State, batch: Batch, recipe: Recipe) -> Losses:
    """Same arguments, same effect and same results as `rvc.train.step.train_step`."""
    recipe.seed_step(s.step, s.attempt)
    spec = recipe.spectra(batch)
    with recipe.autocast():
        made = s.g(
            batch.phone, batch.lengths, batch.pitch, batch.f0, spec, batch.lengths, batch.sid
        )
    hop, size = recipe.settings.hop_length, recipe.settings.segment_size
    real = slices(batch.wave[:, None], made.starts * hop, size)

    with recipe.autocast():
        on_real, _ = s.d(real)
        on_fake, _ = s.d(made.audio.detach())
    d_loss = losses.discriminator_loss(on_real, on_fake)
    s.optim_d.zero_grad()
    d_loss.backward()
    norm_d = _gradient_norm(s.d)
    s.optim_d.step()

    with recipe.autocast():
        _, real_maps = s.d(real)
        on_fake, fake_maps = s.d(made.audio)
    adv = losses.adversarial_loss(on_fake)
    fm = plain_feature_loss(real_maps, fake_maps)
    mel = recipe.mel_loss(real, made.audio)
    kl = losses.kl_loss(made.z_p, made.logs_q, made.m_p, made.logs_p, made.y_mask)
    kl = kl * recipe.settings.c_kl
    total = adv + fm + mel + kl
    s.optim_g.zero_grad()
    total.backward()
    norm_g = _gradient_norm(s.g)
    s.optim_g.step()
    out = {"d": d_loss, "norm_d": norm_d, "adv": adv, "fm": fm, "mel": mel, "kl": kl}
    out |= {"total": total, "norm_g": norm_g}
    return {name: value.detach() for name, value in out.items()}
