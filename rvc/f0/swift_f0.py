"""SwiftF0: a very small spectral network in ONNX form that its package ships."""

from __future__ import annotations

from typing import Any

import numpy as np

from rvc.errors import MissingModel
from rvc.f0 import contour

STEP = 256  # samples between the network's frames
BLOCK, CONTEXT = 400, 24  # frames of ours; multiples of 8, where both grids meet


class SwiftF0:
    """Pitch by SwiftF0 between 47 and 2094 Hz; runs on the CPU whatever the device.

    Its frames lie 16 ms apart: between two voiced ones the pitch is interpolated, and a frame of
    ours is voiced when the nearest of them is. Long inputs are computed in blocks of 4 s with
    more context than the network can see, so that their size changes nothing.
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
        f0_hz = np.zeros(contour.frame_count(len(wave_16k)), np.float32)
        for span in contour.spans(len(f0_hz), BLOCK, CONTEXT):
            end = len(wave_16k) if span.last == len(f0_hz) else span.last * contour.HOP
            part = np.asarray(wave_16k[span.first * contour.HOP : end], np.float32)
            if len(part):
                f0_hz[span.start : span.stop] = self._block(part)[span.keep]
        return contour.finish(f0_hz, wave_16k)

    def _block(self, part: np.ndarray) -> np.ndarray:
        """One stretch (T,) that starts on both grids -> (at least T // 160 + 1,) Hz."""
        wave = np.nan_to_num(part, posinf=0.0, neginf=0.0)
        found = self.detector.detect(wave, contour.RATE)
        voiced = (found.confidence >= 0.5) & (found.pitch_hz > 0)
        log_hz = np.log(np.where(voiced, found.pitch_hz, 1.0))
        at = np.arange(contour.frame_count(len(part))) * (contour.HOP / STEP)
        at = np.minimum(at, len(voiced) - 1)
        before = np.floor(at).astype(int)
        after = np.minimum(before + 1, len(voiced) - 1)
        nearest = np.rint(at).astype(int)
        share = np.where(voiced[before] & voiced[after], at - before, nearest - before)
        value = (1 - share) * log_hz[before] + share * log_hz[after]
        return np.where(voiced[nearest], np.exp(value), 0.0)
