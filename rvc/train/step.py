"""One step of a training: a batch of clips in, both networks a little better.

The discriminator's step and the generator's way through it are done one sub-discriminator at a
time: the loss is a sum over them, so each may give its gradient and be forgotten before the next
begins. Only what some gradient needs is computed: in the generator's step the discriminator's
weights are frozen and real sound passes it without a graph.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm, parametrize
from torch.optim import AdamW

from rvc.audio.mel import mel, spectrograms
from rvc.nets.config import VoiceSettings
from rvc.nets.layers import slices
from rvc.nets.synthesizer import TrainOutput
from rvc.train import losses
from rvc.train.dataset import Batch
from rvc.train.distributed import Ranks
from rvc.train.state import State


@dataclass(frozen=True)
class Recipe:
    """What does not change: sizes, device, precision of the networks, gradient limit, seed."""

    settings: VoiceSettings
    device: torch.device
    dtype: torch.dtype = torch.float32
    clip_norm: float = 0.0
    seed: int = 0
    multi_scale: bool = False
    ranks: Ranks = Ranks()

    def autocast(self) -> AbstractContextManager[None]:
        if self.dtype == torch.float32:
            return nullcontext()
        from rvc.precision import autocast

        return autocast(self.device, self.dtype)

    def seed_step(self, step: int, attempt: int) -> None:
        """Make a step's random numbers a function of (seed, step, attempt, rank)."""
        text = f"{self.seed}/{step}/{attempt}/{self.ranks.rank}"
        digest = hashlib.blake2b(text.encode(), digest_size=7).digest()
        torch.manual_seed(int.from_bytes(digest, "big"))

    def spectra(self, batch: Batch) -> Tensor:
        """Linear spectrograms (B, S, T) of the clips, each up to its own end."""
        s = self.settings
        sizes = s.filter_length, s.hop_length, s.win_length
        return spectrograms(batch.wave, batch.lengths, *sizes)

    def mel_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Weighted spectral distance of waves (B, 1, N)."""
        s = self.settings
        if self.multi_scale:
            return losses.multiscale_mel_loss(real, fake, s.sample_rate) * s.c_mel / 3
        return losses.mel_loss(self.log_mel(real), self.log_mel(fake)) * s.c_mel

    def log_mel(self, wave: Tensor) -> Tensor:
        """(B, 1, N) -> (B, M, N / hop)."""
        s = self.settings
        sizes = (s.sample_rate, s.filter_length, s.hop_length, s.win_length, s.n_mel_channels)
        return mel(wave[:, 0].float(), *sizes, s.mel_fmin, s.mel_fmax)


Losses = dict[str, Tensor]


def train_step(s: State, batch: Batch, recipe: Recipe) -> Losses:
    """One update of both networks; returns detached losses and gradient norms."""
    recipe.seed_step(s.step, s.attempt)
    spec = recipe.spectra(batch)
    with recipe.autocast():
        made = s.g(
            batch.phone, batch.lengths, batch.pitch, batch.f0, spec, batch.lengths, batch.sid
        )
    hop, size = recipe.settings.hop_length, recipe.settings.segment_size
    real = slices(batch.wave[:, None], made.starts * hop, size)
    out = step_d(s, real, made.audio.detach(), recipe)
    out |= step_g(s, real, made, recipe)
    s.scaler.update()
    return out


def step_d(s: State, real: Tensor, fake: Tensor, recipe: Recipe) -> Losses:
    """Teach the discriminator to tell real (B, 1, N) from generated sound."""
    s.d.requires_grad_(True)
    both, total = torch.cat([real, fake.to(real.dtype)]), torch.zeros((), device=real.device)
    for part in s.d.discriminators:
        with recipe.autocast():
            judged, _ = part(both)
        on_real, on_fake = judged.chunk(2)
        loss = losses.discriminator_loss([on_real], [on_fake])
        torch.autograd.backward(s.scaler.scale(loss))
        total += loss.detach()
    return {"d": total, "norm_d": _update(s.optim_d, s, recipe)}


def step_g(s: State, real: Tensor, made: TrainOutput, recipe: Recipe) -> Losses:
    """Teach the generator to pass the discriminator, to sound alike and to stay predictable."""
    s.d.requires_grad_(False)
    fake = made.audio.detach().float().requires_grad_()  # its gradient is summed in float32
    adv, fm = torch.zeros((2,), device=real.device).unbind()
    for part in s.d.discriminators:
        with recipe.autocast(), parametrize.cached():  # weights are normalised once for both
            with torch.no_grad():
                _, real_maps = part(real)
            judged, maps = part(fake)
        adv_k = losses.adversarial_loss([judged])
        fm_k = losses.feature_loss([real_maps], [maps])
        torch.autograd.backward(s.scaler.scale(adv_k + fm_k))
        adv, fm = adv + adv_k.detach(), fm + fm_k.detach()
    mel_k = recipe.mel_loss(real, fake)
    torch.autograd.backward(s.scaler.scale(mel_k))
    kl = _divergence(made, recipe)
    audio_grad = fake.grad.to(made.audio.dtype) if fake.grad is not None else None
    gradients: list[Tensor | None]
    roots, gradients = [made.audio], [audio_grad]
    if kl is not None:
        roots, gradients = [made.audio, s.scaler.scale(kl)], [audio_grad, None]
    torch.autograd.backward(roots, gradients)
    norm = _update(s.optim_g, s, recipe)
    out = {"adv": adv, "fm": fm, "mel": mel_k.detach()}
    if kl is not None:
        out["kl"] = kl.detach()
    return out | {"total": torch.stack(list(out.values())).sum(), "norm_g": norm}


def _divergence(made: TrainOutput, recipe: Recipe) -> Tensor | None:
    """The weighted divergence of posterior from prior; None of a voice that has no posterior."""
    if made.z_p is None or made.logs_q is None:
        return None
    kl = losses.kl_loss(made.z_p, made.logs_q, made.m_p, made.logs_p, made.y_mask)
    return kl * recipe.settings.c_kl * _frame_share(made.y_mask, recipe.ranks)


def _frame_share(mask: Tensor, ranks: Ranks) -> Tensor | float:
    """Weight that makes the mean of the ranks' per-frame losses the mean over all frames."""
    if ranks.world == 1:
        return 1.0
    mean = mask.sum()
    own = mean.clone()
    ranks.average([mean])
    return own / mean


def _update(optim: AdamW, s: State, recipe: Recipe) -> Tensor:
    """Average, measure and limit the gradients, and take the step unless one is not finite."""
    grads = [p.grad for group in optim.param_groups for p in group["params"] if p.grad is not None]
    params = [p for group in optim.param_groups for p in group["params"] if p.grad is not None]
    recipe.ranks.average(grads)
    if s.scaler.is_enabled():
        s.scaler.unscale_(optim)
    norm = get_total_norm(grads)
    if recipe.clip_norm:
        clip_grads_with_norm_(params, recipe.clip_norm, norm)
    if s.scaler.is_enabled():
        s.scaler.step(optim)
    elif norm.is_cuda:  # the fused optimiser decides on the device: nobody waits for the norm
        optim.found_inf, optim.grad_scale = (~torch.isfinite(norm)).float(), None  # type: ignore[attr-defined]
        optim.step()
    elif torch.isfinite(norm):
        optim.step()
    optim.zero_grad(set_to_none=True)  # now, so that the other network's step has the memory
    return norm
