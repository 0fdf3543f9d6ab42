"""A song's voice and accompaniment: separated once, kept in the cache, read as streams.

Only the voice is kept; the accompaniment is the song less the voice, at the song's own rate, so
that it keeps what no network saw and the two add up to the song.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rvc import Report, silent
from rvc.audio import encode, io, mix
from rvc.audio.stream import StreamResampler
from rvc.config import paths
from rvc.errors import BadInput, VoiceError
from rvc.hub import cache
from rvc.separation import spectra
from rvc.separation.models import StemModel

LOG = logging.getLogger(__name__)
BLOCK_S = 4.0
CACHE_BYTES = 4 << 30


@dataclass(frozen=True)
class Song:
    """What is known of a song after reading it once.

    Attributes:
        rate: in Hz. frames: per channel. channels: 1 or 2, mixed down from more.
        power: mean square of all samples.
        digest: SHA-256 of the samples, rate and channels: the same song in another file is the
            same song.
        track: of several in its file.
    """

    path: Path
    rate: int
    frames: int
    channels: int
    power: float
    digest: str
    track: int | None = None

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def blocks(self) -> Iterator[np.ndarray]:
        """The song, (T, channels) float32 at a time."""
        for block in io.blocks(self.path, mono=False, block_s=BLOCK_S, track=self.track):
            yield mix.to_stereo(block.wave)


def scan(path: Path, report: Report = silent, track: int | None = None) -> Song:
    """Read a song once: its length, level and digest.

    Args:
        track: as `rvc.audio.io.blocks`.

    Raises:
        BadInput: missing, damaged, empty, or not sound.
    """
    seal, frames, energy, rate, channels = hashlib.sha256(), 0, 0.0, 0, 0
    for block in io.blocks(path, mono=False, block_s=BLOCK_S, track=track):
        wave = mix.to_stereo(block.wave)
        rate, channels = block.rate, wave.shape[1]
        seal.update(np.ascontiguousarray(wave, "<f4").tobytes())
        frames += len(wave)
        energy += float(np.square(wave, dtype=np.float64).sum())
        report(frames / rate, frames / rate, "Reading")
    seal.update(f"{rate} {channels}".encode())
    power = energy / (frames * channels)
    return Song(path, rate, frames, channels, power, seal.hexdigest(), track)


def voice_of(song: Song, model: StemModel, report: Report = silent) -> tuple[Path, bool]:
    """The file in the cache that holds the song's voice, and whether it was there already.

    Raises:
        OSError: the disk is full.
    """
    key = hashlib.sha256(f"{song.digest} {model.digest}".encode()).hexdigest()
    kept = paths().cache / "stems" / f"{key[:40]}.flac"
    if kept.is_file() and _whole(kept, song):
        cache.used(kept)
        return kept, True
    kept.parent.mkdir(parents=True, exist_ok=True)
    with encode.Writer(kept, song.rate, song.channels, "FLAC", 24) as file:
        for block in separated(song, model):
            file.write(block)
            report(file.frames / song.rate, song.seconds, "Separating")
    cache.prune(kept, CACHE_BYTES)
    return kept, False


def _whole(kept: Path, song: Song) -> bool:
    try:
        return io.info(kept).frames == song.frames
    except VoiceError as error:
        LOG.warning("%s is made anew: %s", kept, error)
        return False


def separated(song: Song, model: StemModel) -> Iterator[np.ndarray]:
    """The song's voice (T, channels) at its own rate: as many samples as the song has."""
    return _streamed(song.blocks(), song.rate, song.channels, song.frames, song.power, model)


def voice_in(wave: np.ndarray, rate: int, model: StemModel) -> np.ndarray:
    """The voice (T,) float32 of a recording (T,) that is in memory."""
    column = np.asarray(wave, np.float32)[:, None]
    power = float(np.mean(np.square(column, dtype=np.float64)))
    parts = list(_streamed([column], rate, 1, len(column), power, model))
    return np.concatenate(parts)[:, 0]


def _streamed(
    blocks: Iterable[np.ndarray],
    rate: int,
    channels: int,
    frames: int,
    power: float,
    model: StemModel,
) -> Iterator[np.ndarray]:
    there = StreamResampler(rate, spectra.RATE, 2)
    back = StreamResampler(spectra.RATE, rate, channels)
    left = frames
    for voice in model.voice(_resampled(blocks, there), power):
        if channels == 1:  # the two sides differ a little for equal input
            voice = voice.mean(axis=1)
        ready = back(np.ascontiguousarray(voice)).reshape(-1, channels)[:left]
        left -= len(ready)
        yield ready
    rest = back(None, last=True).reshape(-1, channels)[:left]
    yield np.concatenate([rest, np.zeros((left - len(rest), channels), np.float32)])


def _resampled(blocks: Iterable[np.ndarray], resampler: StreamResampler) -> Iterator[np.ndarray]:
    """What the networks hear: two sides at 44.1 kHz."""
    for block in blocks:
        yield resampler(np.repeat(block, 2, axis=1) if block.shape[1] == 1 else block)
    yield resampler(None, last=True)


def both(song: Song, voice_file: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(voice, accompaniment), each (T, channels) float32, which add up to the song.

    Raises:
        BadInput: the two files do not belong together.
    """
    voices = io.blocks(voice_file, mono=False, block_s=BLOCK_S)
    held = np.zeros((0, song.channels), np.float32)
    for block in song.blocks():
        while len(held) < len(block):
            more = next(voices, None)
            if more is None or more.wave.shape[1] != song.channels or more.rate != song.rate:
                raise BadInput(
                    f"{voice_file} does not belong to {song.path}: another length, rate or number "
                    "of channels.",
                    "Give stems of the same song.",
                )
            held = np.concatenate([held, more.wave])
        voice, held = spectra.fitting(held[: len(block)], block), held[len(block) :]
        yield voice, block - voice


def own(song: Song, path: Path) -> Iterator[np.ndarray]:
    """A stem of one's own in blocks that fit those of the song.

    Raises:
        BadInput: another rate, or more than 0.1 s longer or shorter.
    """
    found = scan(path)
    if found.rate != song.rate or abs(found.frames - song.frames) > song.rate // 10:
        raise BadInput(
            f"{path} ({found.seconds:.2f} s, {found.rate} Hz) does not fit {song.path} "
            f"({song.seconds:.2f} s, {song.rate} Hz).",
            "Export the stem at the song's own rate and length.",
        )
    mine = found.blocks()
    held = np.zeros((0, song.channels), np.float32)
    for block in song.blocks():
        while len(held) < len(block):
            more = next(mine, None)
            if more is None:
                more = np.zeros((len(block) - len(held), song.channels), np.float32)
            if more.shape[1] != song.channels:
                more = np.repeat(more.mean(axis=1, keepdims=True), song.channels, axis=1)
            held = np.concatenate([held, more.astype(np.float32, copy=False)])
        yield held[: len(block)]
        held = held[len(block) :]
