"""What becomes of speech on its way: telephone, room and noise, by seeds.

For training inputs (the target stays clean); what judges hear is made by `rvc.evaluate.conditions`
with other seeds. Development-time only.
"""

from __future__ import annotations

import numpy as np

from rvc.evaluate.conditions import mixed, room, telephone

KINDS = ("telephone", "room", "noise")
COLOURS = (0.0, 0.5, 1.0)  # exponents of 1/f of the amplitude: white, pink, brown


def degraded(wave: np.ndarray, rate_hz: int, kind: str, seed: int) -> np.ndarray:
    """A version of a sound (N,) that has been through `kind`; same length, time and peak."""
    rng = np.random.default_rng(seed)
    out = {"telephone": telephone, "room": room, "noise": noise}[kind](wave, rate_hz, rng)
    gain = float(np.abs(wave).max()) / max(1e-9, float(np.abs(out).max()))
    return np.asarray(out * gain, np.float32)


def noise(wave: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """White, pink or brown noise, or mains hum, 0 to 25 dB below the speech."""
    if rng.random() < 0.2:
        time_s = np.arange(len(wave)) / rate_hz
        base_hz = rng.choice([50.0, 60.0])
        added = sum(
            np.sin(2 * np.pi * base_hz * harmonic * time_s + rng.uniform(0, 6)) / harmonic
            for harmonic in range(1, 12)
        )
    else:
        shape = np.fft.rfft(rng.standard_normal(len(wave)))
        bins = np.maximum(1, np.arange(len(shape)))
        added = np.fft.irfft(shape / bins ** rng.choice(COLOURS), len(wave))
    snr_db = rng.uniform(0, 25)
    return mixed(wave, added, snr_db)
