"""A made-up band and songs with it, and how well stems were told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from rvc.config import KIT

RATE = 44100
SPEECH = KIT / "demo" / "sample.flac"


def si_sdr(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, of all channels together (Le Roux 2019)."""
    e, t = estimate.astype(np.float64).ravel(), truth.astype(np.float64).ravel()
    t = t * (e @ t) / (t @ t)
    return float(10 * np.log10((t @ t) / ((e - t) @ (e - t) + 1e-20)))


def level(wave: np.ndarray) -> float:
    """RMS of all samples."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)) + 1e-20))


def speech(seconds: float, file: Path = SPEECH, start: float = 0.0) -> np.ndarray:
    """(T,) of a spoken recording at 44.1 kHz."""
    wave, rate = soundfile.read(file, dtype="float32", always_2d=True)
    part = wave[int(start * rate) : int((start + seconds) * rate)].mean(axis=1)
    return np.asarray(soxr.resample(part, rate, RATE)[: int(seconds * RATE)], np.float32)


def band(seconds: float, seed: int = 0) -> np.ndarray:
    """(T, 2): four chords, a bass and drums, 100 beats a minute."""
    rng = np.random.default_rng(seed)
    size = int(seconds * RATE)
    time = np.arange(size) / RATE
    beat, out = 0.6, np.zeros((size, 2))
    chord = (time / (4 * beat)).astype(int) % 4
    root = 110 * 2 ** (np.array([0, -4, 3, -2])[chord] / 12)
    for step, (semitones, side) in enumerate(((0, 0.5), (7, 0.3), (12, 0.7), (16, 0.4), (19, 0.6))):
        phase = np.cumsum(root * 2 ** (semitones / 12) / RATE) + rng.random()
        tone = sum(np.sin(2 * np.pi * n * phase) / n**1.5 for n in range(1, 14))
        tone *= 0.12 * (0.7 + 0.3 * np.sin(2 * np.pi * (0.2 + 0.07 * step) * time))
        out += tone[:, None] * np.sqrt([1 - side, side])
    since = time % beat
    bass = np.sin(2 * np.pi * np.cumsum(root / 2) / RATE) * np.exp(-3 * since)
    kick = np.sin(2 * np.pi * 9 * (1 - np.exp(-20 * since))) * np.exp(-14 * since)
    noise = rng.standard_normal((size, 2))
    hat = np.diff(noise, axis=0, prepend=0) * np.exp(-40 * (time % (beat / 2)))[:, None]
    snare = noise * np.exp(-18 * ((time - beat) % (2 * beat)))[:, None]
    drums = 0.7 * kick[:, None] + 0.06 * hat + 0.15 * snare
    return np.asarray(out + 0.5 * bass[:, None] + drums, np.float32)


def sixteen_bits(wave: np.ndarray) -> np.ndarray:
    """The same sound as a 16-bit file holds it."""
    return np.asarray(np.rint(wave * 2**15) / 2**15, np.float32)


def song(
    seconds: float = 12.0, voice_db: float = 0.0, pan: float = -0.3, start: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """(voice, music), each (T, 2): speech at `pan` (-1 to 1), `voice_db` louder than the band."""
    spoken = speech(seconds, start=start)
    angle = (pan + 1) * np.pi / 4
    voice = spoken[:, None] * np.array([np.cos(angle), np.sin(angle)], np.float32)
    music = band(seconds)[: len(voice)]
    music = music * np.float32(level(voice) / level(music) / 10 ** (voice_db / 20))
    scale = 0.9 / float(np.abs(voice + music).max())
    return sixteen_bits(voice * scale), sixteen_bits(music * scale)


def mixed(seconds: float = 12.0) -> np.ndarray:
    """A song (T, 2) whose parts nobody needs."""
    voice, music = song(seconds)
    return np.asarray(voice + music, np.float32)


def write(path: Path, wave: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """A sound file of (T,) or (T, C)."""
    soundfile.write(path, wave, rate, subtype)
    return path
