"""SwiftF0: a very small spectral network in ONNX form that its package ships."""

from __future__ import annotations

from typing import Any

import numpy as np

from rvc.errors import MissingModel
from rvc.f0 import blocks

STEP = 256  # samples between the network's frames


class SwiftF0:
    """Pitch by SwiftF0 between 47 and 2094 Hz; runs on the CPU whatever the device.

    Its frames lie 16 ms apart: between voiced ones the pitch is interpolated, and a frame of ours
    is voiced when the nearest of them is. The package itself works in exact blocks of 30 s.
    """

    def __init__(self, device: str = "cpu") -> None:
        del device
        try:
            import swift_f0
        except ImportError as error:
            raise MissingModel(
                "The Python package swift-f0 is not installed.",
                "Install it: python -m pip install swift-f0",
            ) from error
        self.detector: Any = swift_f0.SwiftF0(threads=1, spin=False)  # 100 x real time as it is

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) float32 at 16 kHz -> (T // 160 + 1,) float32 in Hz, 0 where unvoiced."""
        frames = blocks.frame_count(len(wave_16k))
        if len(wave_16k) == 0:
            return np.zeros(frames, np.float32)
        wave = np.nan_to_num(np.asarray(wave_16k, np.float32), posinf=0.0, neginf=0.0)
        found = self.detector.detect(wave, blocks.RATE)
        voiced = (found.confidence >= 0.5) & (found.pitch_hz > 0)
        if not voiced.any():
            return np.zeros(frames, np.float32)
        at = np.arange(frames) * (blocks.HOP / STEP)  # our frames on its time axis
        places = np.arange(len(voiced))
        log_hz = np.interp(at, places[voiced], np.log(found.pitch_hz[voiced]))
        nearest = np.minimum(np.rint(at).astype(int), len(voiced) - 1)
        return blocks.finish(np.where(voiced[nearest], np.exp(log_hz), 0.0), wave)
