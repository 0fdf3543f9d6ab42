"""What one recording sounds like, in numbers. Runs in workers, block by block, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rvc.audio import Account, LossJson, dsp, io, slicer
from rvc.audio.dsp import Loudness
from rvc.audio.stream import resample
from rvc.dataset import manifest
from rvc.dataset.report import spectra
from rvc.dataset.report.spectra import CEPSTRA, FFT, HOP, RATE, SPECTRUM_HZ, WINDOW
from rvc.errors import BadInput

BLOCK_S = 60.0
ACTIVE_DB = 12.0  # above the noise floor counts as sound


@dataclass(frozen=True)
class Unheard:
    """A recording to measure; `seconds` is about how long it is, `track` which of several."""

    path: Path
    key: str
    seconds: float = 0.0
    track: int | None = None


@dataclass
class Measured:
    """All that was found out about a recording; `cause` says why nothing was.

    Attributes:
        levels_db: (n,) RMS every 15 ms. f0_hz: (n,) every 20 ms of sound, 0 = unvoiced.
        spectrum: (rate / 200,) mean power per 100 Hz while there is sound.
        voice: (segments, CEPSTRA + 1) timbre and log2 pitch of stretches of voiced sound.
        prints: (n,) uint32 fingerprints every 20 ms, 0 where there is no sound.
        losses, notes: what could not be read, and what was decided about the channels.
        steady: share of the sound in which several partials stand still, as in music.
    """

    key: str
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    codec: str = ""
    bits: int = 0
    digest: str = ""
    cause: str = ""
    peak: float = 0.0
    clipped: float = 0.0
    loudness_lufs: float = -np.inf
    steady: float = 0.0
    losses: list[LossJson] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    levels_db: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    f0_hz: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    spectrum: np.ndarray = field(default_factory=lambda: np.zeros(0))
    voice: np.ndarray = field(default_factory=lambda: np.zeros((0, CEPSTRA + 1)))
    prints: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint32))

    @property
    def floor_db(self) -> float:
        """Level of the pauses: the 5th percentile, digital silence left out."""
        heard = self.levels_db[self.levels_db > -115]
        return float(np.percentile(heard, 5)) if len(heard) else -120.0

    @property
    def active(self) -> np.ndarray:
        """Where there is sound, every 15 ms."""
        return self.levels_db > active_level_db(self.floor_db, self.levels_db)

    @property
    def sound_s(self) -> float:
        return float(self.active.mean() * self.seconds) if len(self.levels_db) else 0.0

    @property
    def silence_share(self) -> float:
        return 1 - self.sound_s / self.seconds if self.seconds else 1.0

    @property
    def speech_db(self) -> float:
        """Mean power while there is sound, in dBFS."""
        power = 10 ** (self.levels_db[self.active] / 10)
        return float(10 * np.log10(power.mean())) if len(power) else -120.0

    @property
    def snr_db(self) -> float:
        """Speech over the level of the pauses; too low where a recording has no pauses."""
        return min(self.speech_db - self.floor_db, 80.0)

    @property
    def bandwidth_hz(self) -> float:
        """Up to where there is sound: to a steep edge, or 75 dB below the strongest 100 Hz."""
        if not self.spectrum.any():
            return 0.0
        db = 10 * np.log10(self.spectrum / self.spectrum.max() + 1e-12)
        return spectra.edge_hz(db) or float((np.flatnonzero(db > -75)[-1] + 1) * SPECTRUM_HZ)


def active_level_db(floor_db: float, levels_db: np.ndarray) -> float:
    """Above this there is sound: well over the floor, but never above the loud parts' 30 dB."""
    loud = float(np.percentile(levels_db, 95)) if len(levels_db) else 0.0
    return max(min(floor_db + ACTIVE_DB, loud - 10.0), loud - 40.0, -65.0)


def measure(one: Unheard) -> Measured:
    """Measure one recording; one that cannot be read comes back with its cause."""
    found = Measured(one.key)
    try:
        head = io.info(one.path, one.track)
        found.rate, found.channels = head.rate, head.channels
        found.codec, found.bits = head.codec, head.bits
        _read(one, found)
        found.digest = manifest.file_digest(one.path)
        if found.peak <= 0:
            found.cause = "it is silent."
    except BadInput as error:
        found.cause = error.message
    except OSError as error:
        found.cause = f"{one.path} cannot be read: {error.strerror or error}."
    return found


def _read(one: Unheard, found: Measured) -> None:
    """Go through the recording in blocks and gather everything."""
    parts: list[tuple[np.ndarray, ...]] = []
    flat = steady = 0
    meter = Loudness(found.rate)
    found.spectrum = np.zeros(found.rate // (2 * SPECTRUM_HZ))
    account = Account()
    for block in io.blocks(one.path, block_s=BLOCK_S, account=account, track=one.track):
        wave, rate = block.wave, block.rate
        if rate != found.rate:  # the header said another one
            found.rate, meter = rate, Loudness(rate)
            found.spectrum = np.zeros(rate // (2 * SPECTRUM_HZ))
        found.seconds += len(wave) / rate
        found.peak = max(found.peak, dsp.peak(wave))
        flat += _flat(wave)
        meter.add(wave)
        low = resample(wave, rate, RATE)
        level, hop = slicer.level_db(low, RATE)
        active = level > active_level_db(float(np.percentile(level, 5)), level)
        found.spectrum += spectra.long_term(wave, rate, active, hop)
        *short, still = _short(low, active, hop)
        steady += still
        parts.append((level[:-1].astype(np.float32), *short))
    if parts:
        found.levels_db, found.f0_hz, found.voice, found.prints = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
    found.clipped = flat / max(1, round(found.seconds * found.rate))
    found.steady = steady / max(1, len(found.f0_hz))
    found.loudness_lufs = meter.lufs()
    found.losses, found.notes = account.json(), account.remarks()


def _short(low: np.ndarray, active: np.ndarray, hop: int) -> tuple[Any, ...]:
    """(pitch while there is sound, voice vectors, fingerprints, frames with still partials)."""
    frames = spectra.frames_of(low)
    middles = (np.arange(len(frames)) * HOP + WINDOW // 2) // hop
    on = active[np.minimum(middles, len(active) - 1)]
    power = np.abs(np.fft.rfft(frames, FFT)) ** 2
    hz, bands = np.where(on, spectra.pitch_hz(power), 0), spectra.bands_db(power)
    return (
        hz[on].astype(np.float32),
        spectra.voice_vectors(bands[hz > 0], hz[hz > 0]),
        np.where(on, spectra.fingerprints(bands), 0).astype(np.uint32),
        int((spectra.stands_still(power) & on).sum()),
    )


def _flat(wave: np.ndarray) -> int:
    """Samples at full scale, or in level runs at the block's own loudest value."""
    size = np.abs(wave)
    top = float(size.max(initial=0))
    if top < 0.05:
        return 0
    level = np.zeros(len(wave), bool)
    level[1:] = (wave[1:] == wave[:-1]) & (size[1:] >= 0.99 * top)
    return int((level | (size >= 0.9999)).sum())
