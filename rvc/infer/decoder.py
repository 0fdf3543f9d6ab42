"""A voice's decoder as a plain function of arrays, whatever runs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rvc.infer.noise import DecoderNoise, Noise
from rvc.nets import hifigan
from rvc.onnx.voice import OnnxDecoder


class Decoder(Protocol):
    """Latents to sound.

    Attributes:
        context: frames on both sides that a sample of the result can depend on.
        block: frames it makes at a time with the least effort.
        workers: calls that may run side by side.
    """

    context: int
    block: int
    workers: int

    def __call__(
        self,
        z: Tensor,
        source: Tensor | None,
        g: Tensor,
        noise: Noise,
        first: int,
        keep: tuple[int, int],
    ) -> np.ndarray:
        """(1, I, T), (1, 1, T * hop), (1, G, 1) -> sound of frames [keep[0], keep[1]) of z.

        Args:
            first: frame of the recording that z begins with; places what the layers draw.

        Returns:
            ((keep[1] - keep[0]) * hop,) float32.
        """


class TorchDecoder:
    """The network itself: the reference that every other way has to equal."""

    block = 200  # longer ones fall out of the processor's cache
    workers = 1

    def __init__(self, dec: hifigan.Decoder | OnnxDecoder, device: torch.device) -> None:
        self.dec, self.device = dec, device
        self.context = dec.context_frames

    @torch.inference_mode()
    def __call__(
        self,
        z: Tensor,
        source: Tensor | None,
        g: Tensor,
        noise: Noise,
        first: int,
        keep: tuple[int, int],
    ) -> np.ndarray:
        drawn = DecoderNoise(noise, first, z.shape[2])
        sound = self.dec(z, g=g, source=source, noise=drawn)[0, 0]
        hop = len(sound) // z.shape[2]
        return sound[keep[0] * hop : keep[1] * hop].float().cpu().numpy()
