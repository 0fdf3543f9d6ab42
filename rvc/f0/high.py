"""Where a pitch above 1 kHz may sound, told cheaply: for methods that go silent there."""

from __future__ import annotations

import numpy as np

from rvc.f0 import framing

N_FFT = 1024
LOW, BAND = slice(4, 58), slice(64, 136)  # bins: 60-900 Hz, and 1000-2100 Hz with the fundamental
WIDTH = 5  # bins that a steady tone fills
SHARE = 0.5  # of the band's power that lies in its strongest tone
BRIDGE = 20  # frames: shorter gaps are not worth two stretches
SHORTEST = 5  # frames of a stretch; consonants open for one or two
BLOCK = 1024  # frames looked at together; no stretch is longer


def stretches(wave: np.ndarray) -> list[tuple[int, int]]:
    """(T,) at 16 kHz -> [first, last) frames of 10 ms where one tone rules 1000 to 2100 Hz.

    And where there is less below: a vowel has harmonics there, a consonant has no tone.
    """
    frames = framing.frame_count(len(wave))
    parts = [_open(wave, t, min(frames, t + BLOCK)) for t in range(0, frames, BLOCK)]
    opened = np.flatnonzero(np.concatenate(parts))
    runs = np.split(opened, np.flatnonzero(np.diff(opened) > BRIDGE) + 1)
    return [
        (first, min(first + BLOCK, int(run[-1]) + 1))
        for run in runs
        if len(run) and run[-1] - run[0] + 1 >= SHORTEST
        for first in range(int(run[0]), int(run[-1]) + 1, BLOCK)
    ]


def _open(wave: np.ndarray, first: int, last: int) -> np.ndarray:
    """Frames [first, last) -> (last - first,) bool."""
    half = N_FFT // 2
    part = framing.samples(wave, first * framing.HOP - half, (last - 1) * framing.HOP + half)
    windows = np.lib.stride_tricks.sliding_window_view(part, N_FFT)[:: framing.HOP]
    spectrum = np.fft.rfft(windows * np.hanning(N_FFT).astype(np.float32), axis=1)
    power = np.square(np.abs(spectrum[:, : BAND.stop]))
    band = power[:, BAND]
    tone = np.lib.stride_tricks.sliding_window_view(band, WIDTH, axis=1).sum(axis=2).max(axis=1)
    total = band.sum(axis=1)
    return (tone > SHARE * total) & (power[:, LOW].sum(axis=1) < total)
