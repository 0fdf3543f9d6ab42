"""Made-up folders of recordings, each with one known fault or none, for judging the judge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import signal

from rvc.audio.stream import resample

RATE = 22050
Wave = np.ndarray
Voice = tuple[float, tuple[float, ...]]
MALE: Voice = (110.0, (600.0, 1100.0, 2500.0, 4200.0))
FEMALE: Voice = (210.0, (750.0, 1400.0, 2900.0, 5000.0))
OTHER_FEMALE: Voice = (235.0, (560.0, 1900.0, 2400.0, 4400.0))


def speech(seed: int, voice: Voice = FEMALE, seconds: float = 5.0, noise_db: float = -75) -> Wave:
    """Syllables with gliding pitch and changing vowels, hisses, pauses, and room noise."""
    rng = np.random.default_rng(seed)
    f0_hz, formants = voice
    t = np.arange(round(seconds * RATE)) / RATE
    times = np.arange(0, seconds + 1, 0.12)  # no note is held: that would be singing
    bend = np.interp(t, times, rng.normal(0, 2, len(times)))
    phase = 2 * np.pi * np.cumsum(f0_hz * 2 ** (bend / 12)) / RATE
    times = np.arange(0, seconds + 1, 0.2)
    shift = np.interp(t, times, rng.uniform(0.75, 1.3, len(times)))
    wave = np.zeros(len(t))
    for k in range(1, int(9000 / f0_hz)):
        gain = sum(1 / (1 + ((k * f0_hz - f * shift) / 150) ** 2) for f in formants)
        wave += gain * np.sin(k * phase)
    times = np.arange(0, seconds + 1, 0.15)
    gate = np.clip(np.interp(t, times, rng.random(len(times))) * 2 - 0.5, 0, 1)
    hiss = signal.sosfilt(
        signal.butter(2, 4000, "highpass", fs=RATE, output="sos"), rng.standard_normal(len(t))
    )
    wave = wave * gate / np.sqrt(np.mean((wave * gate) ** 2))
    wave += 0.4 * hiss * np.clip(0.25 - gate, 0, 1) * (gate > 0)
    wave *= 0.1 / np.sqrt(np.mean(wave**2))
    return np.asarray(wave + 10 ** (noise_db / 20) * rng.standard_normal(len(t)), np.float32)


def several(
    voice: Voice = FEMALE, first: int = 0, count: int = 14, noise_db: float = -75
) -> list[Wave]:
    return [speech(first + i, voice, noise_db=noise_db) for i in range(count)]


def chords(seed: int, seconds: float = 5.0) -> Wave:
    """Held chords of an organ, a new one every second."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE) / RATE
    out = []
    for _ in range(int(seconds)):
        root = 220 * 2 ** (rng.integers(0, 12) / 12)
        notes = [root * 2 ** (n / 12) for n in (0, 4, 7)]
        out.append(sum(np.sin(2 * np.pi * f * k * t) / k for f in notes for k in (1, 2, 3)) * 0.05)
    return np.concatenate(out).astype(np.float32)


def narrow(wave: Wave, to_hz: int) -> Wave:
    """Through a lower sample rate and back."""
    back: Wave = resample(resample(wave, RATE, to_hz), to_hz, RATE)
    return back


def clipped(wave: Wave) -> Wave:
    return np.asarray(np.clip(wave * 8, -0.95, 0.95) * 0.7, np.float32)


def excerpt(wave: Wave) -> Wave:
    return wave[8000:] * np.float32(0.4)


def with_silence(wave: Wave) -> Wave:
    return np.pad(wave, (0, 3 * len(wave)))


def mapped(change: Callable[[Wave], Wave], waves: list[Wave], which: slice) -> list[Wave]:
    return [change(w) if i in range(len(waves))[which] else w for i, w in enumerate(waves)]


# name -> (faults that must be found, others that may be named beside them, the recordings)
FOLDERS: dict[str, tuple[str, str, Callable[[], list[Wave]]]] = {
    "clean female": ("", "", several),
    "clean male": ("", "", lambda: several(MALE, 100)),
    "clean, one voice in two moods": (
        "",
        "",
        lambda: several(FEMALE, 200, 10) + several((225.0, FEMALE[1]), 300, 4),
    ),
    "noise in all": ("noise", "", lambda: several(noise_db=-38)),
    "loud noise, male": ("noise", "", lambda: several(MALE, 400, noise_db=-32)),
    "half clipped": ("clipping", "level speakers", lambda: mapped(clipped, several(), slice(0, 7))),
    "one clipped": ("clipping", "", lambda: mapped(clipped, several(MALE, 500), slice(3, 4))),
    "music among speech": ("music", "speakers", lambda: several(count=12) + [chords(1), chords(2)]),
    "only music": ("music", "copies noise", lambda: [chords(i) for i in range(14)]),
    "a man among women": ("speakers", "", lambda: several(count=11) + several(MALE, 600, 4)),
    "a woman among men": ("speakers", "", lambda: several(MALE, 700, 11) + several(FEMALE, 800, 4)),
    "another woman": ("speakers", "", lambda: several(count=10) + several(OTHER_FEMALE, 900, 5)),
    "an excerpt again": ("copies", "", lambda: [*(w := several()), excerpt(w[2])]),
    "telephone band": (
        "band",
        "",
        lambda: mapped(lambda w: narrow(w, 8000), several(), slice(None)),
    ),
    "mostly silence": ("silence", "", lambda: mapped(with_silence, several(count=6), slice(None))),
    "one much quieter": ("level", "", lambda: mapped(lambda w: w * 0.1, several(), slice(0, 5))),
}
WORDS = {  # fault -> how the report says it
    "noise": "the noise lies only",
    "clipping": "are clipped",
    "music": "music, singing or a hum",
    "speakers": "second speaker",
    "copies": "share their content",
    "band": "sound ends at",
    "silence": "of it is silence",
    "level": "loudness differs",
}
