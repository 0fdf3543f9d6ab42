"""A pitch extractor and an effect, as any package can add them: see pyproject.toml beside."""

from collections.abc import Callable

import numpy as np

Change = Callable[[np.ndarray], np.ndarray]
RATE_HZ, HOP, SIZE, SHORTEST, LONGEST = 16000, 160, 1024, 27, 267  # 600 to 60 Hz


def autocorrelation(device: str) -> Change:
    """Makes the extractor: 16 kHz mono (T,) -> Hz (T // 160 + 1,), 0 where there is no pitch."""

    def extract(wave_16k: np.ndarray) -> np.ndarray:
        padded = np.pad(wave_16k, SIZE // 2)
        starts = np.arange(len(wave_16k) // HOP + 1)[:, None] * HOP
        frames = np.take(padded, starts + np.arange(SIZE), mode="clip")
        power = np.abs(np.fft.rfft(frames, 2 * SIZE)) ** 2
        likeness = np.fft.irfft(power)[:, : LONGEST + 1]
        lag = SHORTEST + likeness[:, SHORTEST:].argmax(1)
        voiced = likeness[np.arange(len(lag)), lag] > 0.5 * likeness[:, 0] + 1e-6
        return np.where(voiced, RATE_HZ / lag, 0).astype(np.float32)

    return extract


def tremolo(rate: int, depth: float = 0.5, speed: float = 5.0) -> Change:
    """Makes the effect for a sound of `rate` Hz: it gets block after block, (T,) -> (T,)."""
    done = 0

    def effect(block: np.ndarray) -> np.ndarray:
        nonlocal done
        at = (done + np.arange(len(block))) / rate
        done += len(block)
        return block * (1 - depth / 2 * (1 + np.sin(2 * np.pi * speed * at)))

    return effect
