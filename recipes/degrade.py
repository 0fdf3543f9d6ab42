"""What becomes of speech on its way: telephone, room and noise, by seeds.

For training inputs (the target stays clean) and for judging under conditions that training saw none
of the seeds of. Development-time only.
"""

from __future__ import annotations

import numpy as np
import scipy.signal

KINDS = ("telephone", "room", "noise")
MU = 255.0
COLOURS = (0.0, 0.5, 1.0)  # exponents of 1/f of the amplitude: white, pink, brown


def degraded(wave: np.ndarray, rate_hz: int, kind: str, seed: int) -> np.ndarray:
    """A version of a sound (N,) that has been through `kind`; same length, time and peak."""
    rng = np.random.default_rng(seed)
    out = {"telephone": telephone, "room": room, "noise": noise}[kind](wave, rate_hz, rng)
    gain = float(np.abs(wave).max()) / max(1e-9, float(np.abs(out).max()))
    return np.asarray(out * gain, np.float32)


def telephone(wave: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Band of 300 to 3400 Hz (edges drawn), 8 kHz, eight bits on the mu-law scale."""
    edges_hz = [rng.uniform(200, 400), rng.uniform(3100, 3700)]
    band = scipy.signal.butter(4, edges_hz, "bandpass", fs=rate_hz, output="sos")
    narrow = scipy.signal.sosfiltfilt(band, wave)
    low = scipy.signal.resample_poly(narrow, 8000, rate_hz)
    peak = max(1e-9, float(np.abs(low).max()))
    bent = np.sign(low) * np.log1p(MU * np.abs(low) / peak) / np.log1p(MU)
    coded = np.round(bent * 127) / 127
    straight = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(MU)) / MU * peak
    return _length(scipy.signal.resample_poly(straight, rate_hz, 8000), len(wave))


def room(wave: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A few early echoes and a tail that falls by 60 dB in 0.2 to 0.8 s, duller as it falls."""
    decay_s = rng.uniform(0.2, 0.8)
    time_s = np.arange(int(decay_s * rate_hz)) / rate_hz
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / decay_s)
    dull = scipy.signal.butter(1, rng.uniform(2000, 6000), fs=rate_hz, output="sos")
    tail = scipy.signal.sosfilt(dull, tail)
    tail[: int(0.02 * rate_hz)] = 0
    for delay_s in rng.uniform(0.002, 0.03, 6):
        tail[int(delay_s * rate_hz)] += rng.uniform(-1, 1)
    wet = scipy.signal.fftconvolve(wave, tail)[: len(wave)]
    direct_db = rng.uniform(-3, 9)  # direct sound against the room's
    gain = wave.std() / max(1e-9, float(wet.std())) * 10 ** (-direct_db / 20)
    return np.asarray(wave + gain * wet)


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
    gain = float(wave.std()) / max(1e-9, float(np.std(added))) * 10 ** (-snr_db / 20)
    return np.asarray(wave + gain * added)


def _length(wave: np.ndarray, count: int) -> np.ndarray:
    return np.pad(wave, (0, max(0, count - len(wave))))[:count]
