"""A window of sound into the sound of a voice: the one path that files, songs and streams share.

Everything in here is addressed by the absolute frame of the recording (10 ms, counted from its
start): noise is drawn by position and the sine source carries its phase from window to window,
so however a recording is cut, the same moments come out with the same random numbers and the
same phase. Neither files nor options of the program are known here, only arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from rvc.f0 import Extractor, contour
from rvc.infer import FRAME, GRID
from rvc.infer.blocks import Blocks, DecoderNoise, LatentNoise, PositionalNoise, SourceNoise

if TYPE_CHECKING:
    from rvc.infer.voice import Voice

EMBEDDER_EXTRA = 80  # samples beyond the last frame that make the embedder give it
FRAME_RATE = 100  # pitch frames per second
UNPROTECTED = 0.5  # values of `protect` from here on switch it off
OVERLAP = 50  # pitch frames that parts of a window share where memory is short


class Blender(Protocol):
    """What is needed of an index: rvc.retrieval.index.Retriever."""

    def blend(self, features: np.ndarray, rate: float) -> np.ndarray:
        """(T, W) -> (T, W): mixed by `rate` with the nearest stored features."""


@dataclass(frozen=True)
class Phase:
    """Where the sine source stands, so that the next window goes on without a click.

    Attributes:
        turns: 0..1 of the fundamental at the beginning of `frame`.
        frame: absolute pitch frame.
    """

    turns: float = 0.0
    frame: int = 0

    def advanced(self, f0_hz: np.ndarray, to: int, glides: bool, first: int = 0) -> Phase:
        """The phase where frame `to` begins.

        Args:
            f0_hz: (T,) pitch, its first value that of frame `first`; reaches from one frame
                before `self.frame` (where there is one) to `to`.
            glides: as of `turns_made`.
        """
        begin = max(0, self.frame - 1 - first)
        made = turns_made(f0_hz[begin : to + 1 - first], glides)
        made = made[self.frame - first - begin : to - first - begin]
        return Phase(float((self.turns + made.sum()) % 1.0), to)


def turns_made(f0_hz: np.ndarray, glides: bool) -> np.ndarray:
    """(T,) Hz -> (T,) turns of the fundamental made within each frame.

    Args:
        glides: the source interpolates the pitch between the middles of frames (RefineGAN);
            otherwise it holds it for a frame.
    """
    hz = np.asarray(f0_hz, np.float64)
    if glides and len(hz):
        around = np.pad(hz, 1, mode="edge")
        hz = (around[:-2] + 6 * hz + around[2:]) / 8
    return hz / FRAME_RATE


def lead_in_hz(f0_hz: np.ndarray, at: int, turns: float, glides: bool) -> float:
    """Pitch in Hz of one frame to put before (T,) so that frame `at` begins with phase `turns`."""
    made = turns_made(np.concatenate([[0.0], f0_hz]), glides)[: at + 1].sum()
    return float((turns - made) % 1.0 * FRAME_RATE)


def doubled(features: np.ndarray, frames: int) -> np.ndarray:
    """(T, W) at 20 ms -> (frames, W) at 10 ms; the last row is repeated where some are missing."""
    index = np.minimum(np.arange(frames) // 2, len(features) - 1)
    return features[index]


def protected(
    mixed: np.ndarray, original: np.ndarray, f0_hz: np.ndarray, protect: float
) -> np.ndarray:
    """Give unvoiced frames back `1 - protect` of the speaker's own features.

    Args:
        mixed, original: (T, W) features with and without retrieval.
        f0_hz: (T,) pitch, 0 where unvoiced.
        protect: 0 keeps consonants and breaths wholly the speaker's own, 0.5 switches it off.
    """
    if protect >= UNPROTECTED:
        return mixed
    share = np.where(f0_hz > 0, 1.0, protect).astype(np.float32)[:, None]
    return mixed * share + original * (1 - share)


def content(
    features: np.ndarray, f0_hz: np.ndarray, index: Blender | None, rate: float, protect: float
) -> np.ndarray:
    """Embedder features (T / 2, W) -> what the text encoder gets: (T, W) for T frames of F0."""
    frames = len(f0_hz)
    if index is None or rate <= 0:
        return doubled(features, frames)
    mixed = doubled(index.blend(features, rate), frames)
    return protected(mixed, doubled(features, frames), f0_hz, protect)


@dataclass(frozen=True)
class Window:
    """What the networks see of a recording at a time.

    Attributes:
        features: (T / 2, W) of the embedder, one row per 20 ms (`Pipeline.features`).
        f0_hz: (T,) the wanted pitch per 10 ms, 0 where unvoiced.
        first: absolute frame of the first value; even, as an embedder's frames are.
        keep: [begin, end) absolute frames whose sound is made; the others are context.
        phase: of the source at a frame within the window.
    """

    features: np.ndarray
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
        with torch.inference_mode():
            self.g = voice.net.speaker(torch.tensor([voice.speaker(sid)], device=self.device))

    def features(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T * 320 + 80,) samples at 16 kHz -> (T, W) content features, one row per 20 ms.

        Raises:
            VoiceError: there is too little memory for even a short part.
        """

        def embed(a: int, b: int) -> Tensor:
            part = wave_16k[a * GRID : b * GRID + EMBEDDER_EXTRA]
            return torch.from_numpy(np.array(self.voice.embedder(part), np.float32))

        rows = len(wave_16k) // GRID
        return self.voice.capacity.rows("embedder", embed, rows, OVERLAP // 2).numpy()

    def pitch(self, wave_16k: np.ndarray, extract: Extractor) -> np.ndarray:
        """(T * 160,) samples at 16 kHz -> (T,) Hz, 0 where unvoiced.

        Raises:
            VoiceError: there is too little memory for even a short part.
        """

        def estimate(a: int, b: int) -> Tensor:
            f0_hz = extract(wave_16k[a * FRAME : b * FRAME])[: b - a]
            return torch.from_numpy(np.array(f0_hz, np.float32))

        rows = len(wave_16k) // FRAME
        capacity = self.voice.capacity
        return capacity.rows("pitch extractor", estimate, rows, OVERLAP, blended=False).numpy()

    @torch.inference_mode()
    def render(self, window: Window) -> Iterator[np.ndarray]:
        """Sound of the frames to keep, in blocks (N,) float32 at the voice's rate.

        Raises:
            VoiceError: there is too little memory for even a short part.
        """
        voice, first, frames = self.voice, window.first, len(window.f0_hz)
        z, source = self._latents(window), self._source(window)

        def decode(a: int, b: int, keep: tuple[int, int]) -> np.ndarray:
            part = None if source is None else source[:, :, a * voice.hop : b * voice.hop]
            noise = DecoderNoise(self.noise, first + a, b - a)
            return voice.decoder(z[:, :, a:b], part, self.g, noise, keep)

        begin, end = window.keep
        yield from self.blocks.run(decode, begin - first, end - first, 0, frames)

    def _latents(self, window: Window) -> Tensor:
        """(1, I, T) what the decoder makes sound of."""
        voice, hz = self.voice, window.f0_hz
        phone = content(window.features, hz, voice.index, self.index_rate, self.protect)
        rows, bins = torch.from_numpy(np.ascontiguousarray(phone)), contour.coarse(hz)

        def latents(a: int, b: int) -> Tensor:
            z, _ = voice.net.latent(
                rows[None, a:b].to(self.device),
                torch.from_numpy(bins[a:b])[None].to(self.device),
                torch.tensor([b - a], device=self.device),
                self.g,
                LatentNoise(self.noise, window.first + a),
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
