"""What befalls speech before it is converted, made by seeds: other throats, rooms, lines, noise."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import numpy as np
import scipy.ndimage
import scipy.signal

from rvc.errors import BadInput

MU = 255.0
CHILD, BASS = 1.35, 0.75  # pitch, formants and tempo together
CLIPPED_DB = 12.0  # above full scale
MUSIC_HZ = 220.0 * 2.0 ** (np.array([0, 3, 5, 7, 10, 12, 15]) / 12)  # a scale of five notes on A3
CHORD_S = 0.5
WINDOW_S = 0.03
Way = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
NAME = re.compile(r"(noise|music)(-?\d+)")


def speaker(name: str) -> Way | None:
    """How a condition changes who speaks (the result should follow it); None where not."""
    ways: dict[str, Way] = {"child": child, "bass": bass, "whispered": whispered}
    return ways.get(name)


def channel(name: str) -> Way | None:
    """How a condition spoils the way to the microphone (the result should not follow)."""
    ways: dict[str, Way] = {"telephone": telephone, "room": room, "clipped": clipped}
    if found := NAME.fullmatch(name):
        snr_db = float(found[2])
        make = white if found[1] == "noise" else music
        return lambda wave, rate_hz, rng: mixed(wave, make(len(wave), rate_hz, rng), snr_db)
    return ways.get(name)


def listed(text: str | None) -> list[str]:
    """Names joined by commas -> a list, checked.

    Raises:
        BadInput: a condition nobody knows.
    """
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if speaker(name) is None and channel(name) is None:
            raise BadInput(
                f"{name!r} is no condition.",
                "Known are telephone, room, clipped, whispered, child, bass, and noise5 or music5 "
                "with any level in dB below the speech.",
            )
    return names


def applied(name: str, wave: np.ndarray, rate_hz: int, key: str) -> tuple[np.ndarray, np.ndarray]:
    """(T,) -> what is said, and what is heard of it: (T',) each, at the level of the speech.

    Args:
        name: one of `listed`; "" leaves the sound as it is.
        key: of the recording; the same key and name draw the same random numbers.
    """
    said = np.asarray(wave, np.float32)
    rng = np.random.default_rng(zlib.crc32(f"{name}/{key}".encode()))
    if who := speaker(name):
        said = _level(who(said, rate_hz, rng), said)
    heard = said
    if way := channel(name):
        heard = _level(way(said, rate_hz, rng), said)
    return said, heard


def _level(out: np.ndarray, like: np.ndarray) -> np.ndarray:
    """`out` with the peak of `like`."""
    gain = float(np.abs(like).max(initial=0)) / max(1e-9, float(np.abs(out).max(initial=0)))
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
    out = scipy.signal.resample_poly(straight, rate_hz, 8000)
    return np.asarray(np.pad(out, (0, max(0, len(wave) - len(out))))[: len(wave)])


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
    return mixed(wave, wet, direct_db)


def clipped(wave: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Recorded 12 dB too loud."""
    full = float(np.abs(wave).max(initial=0)) * 10 ** (-CLIPPED_DB / 20)
    return np.asarray(np.clip(wave, -full, full))


def white(count: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(count)


def music(count: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Plucked chords of three notes, ten harmonics each, two chords a second."""
    length = int(CHORD_S * rate_hz)
    time_s = np.arange(length) / rate_hz
    chords = []
    for _ in range(-(-count // length)):
        notes_hz = rng.choice(MUSIC_HZ, 3, replace=False)[:, None, None]
        order = np.arange(1, 11)[None, :, None]
        tones = np.sin(2 * np.pi * notes_hz * order * time_s) / order
        chords.append(tones.sum((0, 1)) * np.exp(-3 * time_s))
    return np.concatenate([*chords, np.zeros(0)])[:count]


def mixed(wave: np.ndarray, added: np.ndarray, snr_db: float) -> np.ndarray:
    """Speech (T,) with something that lies `snr_db` below it."""
    gain = float(wave.std()) / max(1e-9, float(np.std(added))) * 10 ** (-snr_db / 20)
    return np.asarray(wave + gain * added)


def child(wave: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A third shorter throat and higher pitch; faster too."""
    return _sped(wave, CHILD)


def bass(wave: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A longer throat and a pitch five semitones lower; slower too."""
    return _sped(wave, BASS)


def _sped(wave: np.ndarray, ratio: float) -> np.ndarray:
    return np.asarray(scipy.signal.resample_poly(wave, 100, round(100 * ratio)))


def whispered(wave: np.ndarray, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """The same spectral envelopes, smoothed over 600 Hz, filled with noise instead of a voice."""
    size = 2 * int(WINDOW_S * rate_hz / 2)
    stft = scipy.signal.ShortTimeFFT(np.hanning(size), size // 4, rate_hz)
    power = np.abs(stft.stft(wave)) ** 2
    width = max(1, round(600 * size / rate_hz))
    envelope = np.sqrt(np.maximum(scipy.ndimage.uniform_filter1d(power, width, axis=0), 0))
    noise = stft.stft(rng.standard_normal(len(wave)))
    return np.asarray(stft.istft(noise * envelope, k1=len(wave)))
