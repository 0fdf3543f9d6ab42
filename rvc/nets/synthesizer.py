"""The whole voice network: encoders, flow, decoder and speakers, for training and conversion.

The flow between posterior and prior is made of couplings and channel flips, exactly invertible.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rvc.errors import Mismatch
from rvc.nets import VOCODERS
from rvc.nets.config import VoiceSettings
from rvc.nets.layers import GLOBAL_NOISE, Decoder, Noise, WaveNet, slices

COUPLINGS = 4


class Coupling(nn.Module):
    """Shifts one half of the channels by a function of the other half."""

    def __init__(self, channels: int, width: int, speaker_width: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels // 2, width, 1)
        self.enc = WaveNet(width, 5, 3, speaker_width)
        self.post = nn.Conv1d(width, channels // 2, 1)
        for parameter in self.post.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor | None, sign: float) -> Tensor:
        """(B, I, T) -> (B, I, T); sign +1 towards the prior, -1 back."""
        kept, moved = x.chunk(2, dim=1)
        shift = self.post(self.enc(self.pre(kept) * mask, mask, g)) * mask
        return torch.cat([kept, moved * mask + sign * shift], dim=1)


class Flow(nn.Module):
    """Four couplings, each followed by a flip of the channels."""

    def __init__(self, channels: int, width: int, speaker_width: int) -> None:
        super().__init__()
        couplings = [Coupling(channels, width, speaker_width) for _ in range(COUPLINGS)]
        # the files number couplings 0, 2, 4, 6: the flips between them have no weights
        self.flows = nn.ModuleList(
            part for coupling in couplings for part in (coupling, nn.Identity())
        )

    def forward(self, z: Tensor, mask: Tensor, g: Tensor | None = None) -> Tensor:
        """Posterior to prior: (B, I, T), (B, 1, T), (B, G, 1) -> (B, I, T)."""
        for coupling in self.flows[::2]:
            z = coupling(z, mask, g, 1.0).flip(1)
        return z

    def reverse(self, z_p: Tensor, mask: Tensor, g: Tensor | None = None) -> Tensor:
        """Prior to posterior: the exact inverse of forward."""
        for coupling in reversed(self.flows[::2]):
            z_p = coupling(z_p.flip(1), mask, g, -1.0)
        return z_p


TEMPERATURE = 0.66666


class TrainOutput(NamedTuple):
    """What one training step needs.

    Attributes:
        audio: (B, 1, segment samples).
        starts: (B,) first frame of each segment.
        x_mask, y_mask: (B, 1, T) of content and spectrogram.
        z, m_p, logs_p: (B, I, T).
        z_p, m_q, logs_q: (B, I, T); None of a voice that has no posterior.
    """

    audio: Tensor
    starts: Tensor
    x_mask: Tensor
    y_mask: Tensor
    z: Tensor
    m_p: Tensor
    logs_p: Tensor
    z_p: Tensor | None = None
    m_q: Tensor | None = None
    logs_q: Tensor | None = None


def named_class(spec: str) -> Any:
    """The class behind a registry's "module:class"."""
    module, name = spec.split(":")
    return getattr(import_module(module), name)


class Synthesizer(nn.Module):
    """A voice. State-dict keys are those of the public files.

    Args:
        settings: sizes.
        embed_width: width of the content features, E.
        use_f0: the voice knows pitch.
        n_speakers: rows of the speaker table.
        vocoder: name in `rvc.nets.VOCODERS`.
        with_posterior: build the posterior encoder (training).

    Raises:
        Mismatch: this vocoder cannot do without pitch.
    """

    def __init__(
        self,
        settings: VoiceSettings,
        embed_width: int = 768,
        use_f0: bool = True,
        n_speakers: int = 1,
        vocoder: str = "HiFi-GAN",
        with_posterior: bool = True,
    ) -> None:
        super().__init__()
        with VOCODERS.blamed(vocoder):
            decoder = named_class(VOCODERS[vocoder].decoder)
        if decoder.needs_f0 and not use_f0:
            raise Mismatch(f"{vocoder} has no form without pitch.", "Use HiFi-GAN.")
        self.settings, self.vocoder = settings, vocoder
        self.use_f0, self.embed_width, self.n_speakers = use_f0, embed_width, n_speakers
        s = settings
        self.enc_p = named_class(VOCODERS[vocoder].encoder)(
            s.inter_channels,
            s.hidden_channels,
            s.filter_channels,
            s.n_heads,
            s.n_layers,
            s.kernel_size,
            s.p_dropout,
            embed_width,
            use_f0,
        )
        self.dec: Decoder = decoder(s, use_f0)
        if with_posterior and s.use_posterior:
            from rvc.nets.encoders import PosteriorEncoder

            self.enc_q = PosteriorEncoder(
                s.spec_channels, s.inter_channels, s.hidden_channels, s.gin_channels
            )
        self.flow = Flow(s.inter_channels, s.hidden_channels, s.gin_channels)
        self.emb_g = nn.Embedding(n_speakers, s.gin_channels)

    def speaker(self, sid: Tensor) -> Tensor:
        """(B,) -> (B, G, 1)."""
        out: Tensor = self.emb_g(sid)[:, :, None]
        return out

    def encode(
        self, phone: Tensor, pitch: Tensor | None, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Prior of the content: (B, T, E), (B, T), (B,) -> m_p, logs_p (B, I, T), mask."""
        out: tuple[Tensor, Tensor, Tensor] = self.enc_p(
            phone, pitch if self.use_f0 else None, lengths
        )
        return out

    def forward(
        self,
        phone: Tensor,
        lengths: Tensor,
        pitch: Tensor | None,
        f0: Tensor | None,
        spec: Tensor,
        spec_lengths: Tensor,
        sid: Tensor,
        noise: Noise = GLOBAL_NOISE,
    ) -> TrainOutput:
        """One training pass over random segments.

        Args:
            phone: (B, T, E); lengths: (B,) frames.
            pitch: (B, T) 1..255; f0: (B, T) Hz; both None without pitch.
            spec: (B, S, T) linear spectrogram; spec_lengths: (B,); sid: (B,).
        """
        g = self.speaker(sid)
        m_p, logs_p, x_mask = self.encode(phone, pitch, lengths)
        z_p = m_q = logs_q = None
        if self.settings.use_posterior:
            z, m_q, logs_q, y_mask = self.enc_q(spec, spec_lengths, g, noise)
            z_p = self.flow(z, y_mask, g)
        else:
            z, y_mask = self._sample_prior(m_p, logs_p, x_mask, g, noise), x_mask
        size = self.settings.segment_frames
        free = (spec_lengths - size + 1).clamp(min=1)
        starts = (torch.rand(free.shape, device=free.device) * free).long()
        part = slices(z, starts, size)
        hz = slices(f0[:, None], starts, size)[:, 0] if self.use_f0 and f0 is not None else None
        audio = self.dec(part, hz, g=g, noise=noise)
        return TrainOutput(audio, starts, x_mask, y_mask, z, m_p, logs_p, z_p, m_q, logs_q)

    def _sample_prior(
        self,
        m_p: Tensor,
        logs_p: Tensor,
        mask: Tensor,
        g: Tensor,
        noise: Noise,
        temperature: float = TEMPERATURE,
    ) -> Tensor:
        """A sample of the prior as the decoder's input: z (B, I, T), already masked."""
        z_p = (m_p + torch.exp(logs_p) * noise.normal(m_p) * temperature) * mask
        return self.flow.reverse(z_p, mask, g) * mask

    def latent(
        self,
        phone: Tensor,
        pitch: Tensor | None,
        lengths: Tensor,
        g: Tensor,
        noise: Noise = GLOBAL_NOISE,
        temperature: float = TEMPERATURE,
    ) -> tuple[Tensor, Tensor]:
        """Content to the decoder's input: z (B, I, T) already masked, and the mask."""
        m_p, logs_p, mask = self.encode(phone, pitch, lengths)
        return self._sample_prior(m_p, logs_p, mask, g, noise, temperature), mask

    def infer(
        self,
        phone: Tensor,
        lengths: Tensor,
        pitch: Tensor | None,
        f0: Tensor | None,
        sid: Tensor,
        noise: Noise = GLOBAL_NOISE,
        temperature: float = TEMPERATURE,
    ) -> Tensor:
        """Convert at once: (B, T, E), (B,), (B, T), (B, T) Hz, (B,) -> (B, 1, T * hop)."""
        g = self.speaker(sid)
        z, _ = self.latent(phone, pitch, lengths, g, noise, temperature)
        out: Tensor = self.dec(z, f0 if self.use_f0 else None, g=g, noise=noise)
        return out
