"""A window of sound into the sound of a voice: the one path that files, songs and streams share.

Everything in here is addressed by the absolute frame of the recording (10 ms, counted from its
start): noise is drawn by position and the sine source carries its phase from window to window,
so however a recording is cut, the same moments come out with the same random numbers and the
same phase. Neither files nor options of the program are known here, only arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rvc.device import use_kernels
from rvc.f0 import Extractor, contour
from rvc.f0.contour import Phase, lead_in_hz
from rvc.infer import FRAME, GRID
from rvc.infer.blocks import Blocks, Sound
from rvc.infer.noise import DECODER, LATENT, LayerNoise, PositionalNoise, SourceNoise

if TYPE_CHECKING:
    from rvc.infer.voice import Voice

EMBEDDER_EXTRA = 80  # samples beyond the last frame that make the embedder give it
UNPROTECTED = 0.5  # values of `protect` from here on switch it off
OVERLAP = 50  # pitch frames that parts of a window share where memory is short


class Blender(Protocol):
    """What is needed of an index: `rvc.retrieval.index.Retriever`, or one that lies on a GPU."""

    def blend(self, features: Any, rate: float) -> Any:
        """(T, W) -> (T, W): mixed by `rate` with the nearest stored features."""


def doubled(features: Tensor, frames: int) -> Tensor:
    """(T, W) at 20 ms -> (frames, W) at 10 ms; the last row is repeated where some are missing."""
    index = torch.arange(frames, device=features.device) // 2
    return features[index.clamp(max=len(features) - 1)]


def protected(mixed: Tensor, original: Tensor, f0_hz: np.ndarray, protect: float) -> Tensor:
    """Give unvoiced frames back `1 - protect` of the speaker's own features.

    Args:
        mixed, original: (T, W) features with and without retrieval.
        f0_hz: (T,) pitch, 0 where unvoiced.
        protect: 0 keeps consonants and breaths wholly the speaker's own, 0.5 switches it off.
    """
    if protect >= UNPROTECTED:
        return mixed
    kept = np.where(f0_hz > 0, 1.0, protect).astype(np.float32)[:, None]
    share = torch.from_numpy(kept).to(mixed.device)
    return mixed * share + original * (1 - share)


def content(
    features: Tensor, f0_hz: np.ndarray, index: Blender | None, rate: float, protect: float
) -> Tensor:
    """Embedder features (T / 2, W) -> what the text encoder gets: (T, W) for T frames of F0."""
    frames = len(f0_hz)
    if index is None or rate <= 0:
        return doubled(features, frames)
    mixed = doubled(torch.as_tensor(index.blend(features, rate)), frames)
    return protected(mixed, doubled(features, frames), f0_hz, protect)


@dataclass(frozen=True)
class Window:
    """What the networks see of a recording at a time.

    Attributes:
        features: (T / 2, W) of the embedder, one row per 20 ms, on the voice's device.
        f0_hz: (T,) the wanted pitch per 10 ms, 0 where unvoiced.
        first: absolute frame of the first value; even, as an embedder's frames are.
        keep: [begin, end) absolute frames whose sound is made; the others are context.
        phase: of the source at a frame within the window.
    """

    features: Tensor
    f0_hz: np.ndarray
    first: int
    keep: tuple[int, int]
    phase: Phase


class Pipeline:
    """The networks of a voice, with one speaker and one seed. Threads may share it.

    Args:
        noise: two pipelines with the same seed make the same sound.
        sid: number or name of the speaker.
        index_rate: how much of the voice's index is mixed in, 0..1.
        protect: 0..0.5, see `protected`.

    Raises:
        BadInput: the voice has no such speaker.
    """

    def __init__(
        self,
        voice: Voice,
        noise: PositionalNoise,
        sid: str = "0",
        index_rate: float = 0.0,
        protect: float = UNPROTECTED,
    ) -> None:
        self.voice, self.noise, self.index_rate = voice, noise, index_rate
        self.protect = protect if voice.use_f0 else UNPROTECTED
        decoder = voice.decoder
        self.blocks = Blocks(decoder.block, decoder.context, decoder.workers, voice.capacity)
        self.device = voice.device.device
        use_kernels(self.device, voice.device.tf32)
        with torch.inference_mode():
            self.g = voice.net.speaker(torch.tensor([voice.speaker(sid)], device=self.device))

    @torch.inference_mode()
    def features(self, waves: Sequence[np.ndarray]) -> list[Tensor]:
        """Waves (T * 320 + 80,) at 16 kHz -> content features (T, W) of each, a row per 20 ms.

        Several share the embedder's forward pass.

        Raises:
            VoiceError: there is too little memory for even a short part.
        """
        embed, capacity = self.voice.embedder.tensors, self.voice.capacity
        if len(waves) > 1:
            return embed(waves)
        wave = waves[0]

        def part(a: int, b: int) -> Tensor:
            return embed([wave[a * GRID : b * GRID + EMBEDDER_EXTRA]])[0]

        return [capacity.rows("embedder", part, len(wave) // GRID, OVERLAP // 2)]

    def pitch(self, waves: Sequence[np.ndarray], extract: Extractor) -> list[np.ndarray]:
        """Waves (T * 160,) at 16 kHz -> (T,) Hz of each, 0 where unvoiced.

        Several share the extractor's forward pass where it has one for them.

        Raises:
            VoiceError: there is too little memory for even a short part.
        """
        together, capacity = getattr(extract, "batch", None), self.voice.capacity
        if together is not None and len(waves) > 1:
            pairs = zip(waves, together(waves), strict=True)
            return [f0_hz[: len(wave) // FRAME] for wave, f0_hz in pairs]
        found = []
        for wave in waves:

            def part(a: int, b: int, wave: np.ndarray = wave) -> Tensor:
                f0_hz = extract(wave[a * FRAME : b * FRAME])[: b - a]
                return torch.from_numpy(np.array(f0_hz, np.float32))

            rows = capacity.rows("pitch extractor", part, len(wave) // FRAME, OVERLAP, False)
            found.append(rows.numpy())
        return found

    def render(self, window: Window) -> Iterator[np.ndarray]:
        """Sound of the frames to keep, in blocks (N,) float32 at the voice's rate.

        Raises:
            VoiceError: there is too little memory for even a short part.
        """
        yield from map(np.asarray, self.rendered(window))

    @torch.inference_mode()
    def rendered(self, window: Window) -> Iterator[Sound]:
        """`render`, without waiting for what a GPU is still at work on."""
        voice, first, frames = self.voice, window.first, len(window.f0_hz)
        z, source = self._latents(window), self._source(window)

        def decode(a: int, b: int, keep: tuple[int, int]) -> Sound:
            part = None if source is None else source[:, :, a * voice.hop : b * voice.hop]
            noise = LayerNoise(self.noise, first + a, b - a, DECODER)
            return voice.decoder(z[:, :, a:b], part, self.g, noise, keep)

        begin, end = window.keep
        yield from self.blocks.run(decode, begin - first, end - first, 0, frames)

    def _latents(self, window: Window) -> Tensor:
        """(1, I, T) what the decoder makes sound of."""
        voice, hz = self.voice, window.f0_hz
        rows = content(window.features, hz, voice.index, self.index_rate, self.protect)
        bins = torch.from_numpy(contour.coarse(hz)).to(self.device)

        def latents(a: int, b: int) -> Tensor:
            z, _ = voice.net.latent(
                rows[None, a:b],
                bins[None, a:b],
                torch.full((1,), b - a, device=self.device),
                self.g,
                LayerNoise(self.noise, window.first + a, b - a, LATENT),
            )
            return z[0].T

        return voice.capacity.rows("text encoder", latents, len(hz), OVERLAP).T[None]

    def _source(self, window: Window) -> Tensor | None:
        """Excitation (1, C, T * hop) in phase with the windows before; None without pitch."""
        voice, phase = self.voice, window.phase
        if not voice.use_f0:
            return None
        at = phase.frame - window.first
        lead = lead_in_hz(window.f0_hz, at, phase.turns, voice.glides)
        f0_hz = np.concatenate([[lead], window.f0_hz]).astype(np.float32)
        noise = SourceNoise(self.noise, (window.first - 1) * voice.hop)
        made = voice.net.dec.source(torch.from_numpy(f0_hz)[None].to(self.device), noise)
        return made[:, :, voice.hop :]
