"""Short sounds in every format the program reads, and seeded ways to damage a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile

SECONDS = 1.5
LAYOUTS = {1: "mono", 2: "stereo"}
PLAIN = {  # name: (libsndfile's format, coding, rate, channels)
    "wav16": ("WAV", "PCM_16", 24000, 1),
    "wav24": ("WAV", "PCM_24", 44100, 2),
    "wavfloat": ("WAV", "FLOAT", 24000, 1),
    "wavex": ("WAVEX", "PCM_16", 24000, 2),
    "rf64": ("RF64", "PCM_16", 24000, 1),
    "w64": ("W64", "PCM_16", 24000, 1),
    "aiff": ("AIFF", "PCM_16", 24000, 1),
    "au": ("AU", "PCM_16", 24000, 1),
    "caf": ("CAF", "PCM_16", 24000, 1),
    "adpcm": ("WAV", "IMA_ADPCM", 24000, 1),
    "flac": ("FLAC", "PCM_16", 44100, 2),
    "vorbis": ("OGG", "VORBIS", 44100, 2),
    "opus": ("OGG", "OPUS", 48000, 1),
}
CODED = {  # name: (PyAV's container, codec, rate, channels, options of the container)
    "mp3": ("mp3", "libmp3lame", 44100, 2, {}),
    "mp3vbr": ("mp3", "libmp3lame", 44100, 1, {"write_xing": "0"}),
    "mp2": ("mp2", "mp2", 44100, 1, {}),
    "adts": ("adts", "aac", 44100, 1, {}),
    "m4a": ("ipod", "aac", 44100, 2, {}),
    "alac": ("ipod", "alac", 44100, 1, {}),
    "mov": ("mov", "aac", 44100, 1, {}),
    "3gp": ("3gp", "aac", 24000, 1, {}),
    "wma": ("asf", "wmav2", 44100, 1, {}),
    "webm": ("webm", "libopus", 48000, 1, {}),
    "mkv": ("matroska", "flac", 44100, 1, {}),
    "mka": ("matroska", "aac", 44100, 1, {}),
    "ac3": ("ac3", "ac3", 44100, 2, {}),
    "amr": ("amr", "libopencore_amrnb", 8000, 1, {}),
    "wavpack": ("wv", "wavpack", 44100, 1, {}),
    "tta": ("tta", "tta", 44100, 1, {}),
    "ts": ("mpegts", "aac", 44100, 1, {}),
    "avi": ("avi", "libmp3lame", 44100, 1, {}),
    "flv": ("flv", "aac", 44100, 1, {}),
}
FORMATS = (*PLAIN, *CODED)


def song(seconds: float, rate: int, channels: int) -> np.ndarray:
    """A glissando over faint noise (T, C) float32: no two stretches are alike."""
    t = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * (220 + 110 * t) * t)
    noise = 0.01 * np.random.default_rng(5).standard_normal((len(t), channels))
    return (wave[:, None] + noise).astype(np.float32)


def write(name: str, path: Path, seconds: float = SECONDS) -> None:
    """A file of one of the `FORMATS`."""
    if name in PLAIN:
        form, coding, rate, channels = PLAIN[name]
        soundfile.write(path, song(seconds, rate, channels), rate, coding, format=form)
        return
    form, codec, rate, channels, options = CODED[name]
    encode(path, form, codec, song(seconds, rate, channels), rate, options)


def encode(
    path: Path,
    form: str,
    codec: str,
    wave: np.ndarray,
    rate: int,
    container_options: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Write (T, C) through PyAV."""
    layout = LAYOUTS[wave.shape[1]]
    with av.open(str(path), "w", format=form, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, options=options or {})
        assert isinstance(stream, av.AudioStream)
        if codec.startswith("wma"):
            stream.bit_rate = 96_000
        resampler = av.AudioResampler(stream.format, layout, rate, frame_size=stream.frame_size)
        planes = np.ascontiguousarray(wave.T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for given in (frame, None):
            for piece in resampler.resample(given):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


Random = np.random.Generator
Damage = Callable[[bytearray, Random], bytearray]


def _somewhere(data: bytearray, random: Random, most: int) -> slice:
    start = int(random.integers(0, len(data)))
    return slice(start, min(len(data), start + int(random.integers(1, most))))


def overwritten(data: bytearray, random: Random) -> bytearray:
    at = _somewhere(data, random, 400)
    data[at] = random.bytes(at.stop - at.start)
    return data


def zeroed(data: bytearray, random: Random) -> bytearray:
    at = _somewhere(data, random, 2000)
    data[at] = bytes(at.stop - at.start)
    return data


def cut_off(data: bytearray, random: Random) -> bytearray:
    return data[: int(random.integers(1, len(data)))]


def removed(data: bytearray, random: Random) -> bytearray:
    del data[_somewhere(data, random, max(2, len(data) // 4))]
    return data


def inserted(data: bytearray, random: Random) -> bytearray:
    at = int(random.integers(0, len(data)))
    data[at:at] = random.bytes(int(random.integers(1, 3000)))
    return data


def head_damaged(data: bytearray, random: Random) -> bytearray:
    for _ in range(int(random.integers(1, 4))):
        data[int(random.integers(0, min(len(data), 120)))] = int(random.integers(0, 256))
    return data


def bits_flipped(data: bytearray, random: Random) -> bytearray:
    for _ in range(int(random.integers(1, 30))):
        data[int(random.integers(0, len(data)))] ^= 1 << int(random.integers(0, 8))
    return data


def repeated(data: bytearray, random: Random) -> bytearray:
    at = _somewhere(data, random, max(2, len(data) // 4))
    data[at.stop : at.stop] = data[at]
    return data


DAMAGES: tuple[Damage, ...] = (
    overwritten,
    zeroed,
    cut_off,
    removed,
    inserted,
    head_damaged,
    bits_flipped,
    repeated,
)


def damaged(data: bytes, seed: int) -> bytes:
    """`data` damaged in the way and at the place of this seed."""
    random = np.random.default_rng(seed)
    return bytes(DAMAGES[seed % len(DAMAGES)](bytearray(data), random))
