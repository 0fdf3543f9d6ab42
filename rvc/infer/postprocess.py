"""From the voice's raw sound to what is written: gate, envelope, polish, levels, rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rvc import Report
from rvc.audio import encode
from rvc.audio.dsp import Loudness, TruePeak
from rvc.audio.levels import Envelope, envelope_gain, widened
from rvc.audio.stream import BLOCK, Spool, StreamResampler
from rvc.infer import FRAME_RATE, RATE
from rvc.infer.recording import SpooledRecording
from rvc.params import Conversion

CEILING_DB = -1.2  # dBTP, a little below the -1 that is promised
LOSSY_CEILING_DB = -2.0  # coders overshoot
LOUDER = 5  # times that the gain is raised to make up for what the limiter takes
HOLD = 3  # frames of 10 ms that stay open around sound


def gate(loud: np.ndarray) -> np.ndarray:
    """(F,) bool, True where the recording sounds -> (F,) gain per 10 ms: 0 in its silence."""
    opened = widened(loud, HOLD).astype(np.float32)
    around = np.pad(opened, 1, mode="edge")
    return (around[:-2] + 2 * around[1:-1] + around[2:]) / 4


def curve(gain: np.ndarray, every: float, start: int, count: int, offset: float) -> np.ndarray:
    """Samples [start, start + count) of a gain given at `offset` + multiples of `every` samples."""
    if not len(gain):
        return np.ones(count, np.float32)
    at = (np.arange(start, start + count) - offset) / every
    first = min(max(0, int(at[0]) - 1), len(gain) - 1)
    near = gain[first : max(first, int(at[-1])) + 2]
    out: np.ndarray = np.interp(at, np.arange(first, first + len(near)), near).astype(np.float32)
    return out


def shaped(
    sound: Spool, loud: np.ndarray, wave_16k: Spool, rate: int, keep: float, into: Spool
) -> Spool:
    """Apply the gate and, for keep < 1, the recording's envelope."""
    gate_gain, every = gate(loud), rate / FRAME_RATE

    def gated() -> Iterator[tuple[int, np.ndarray]]:
        for start, block in sound.blocks():
            yield start, block * curve(gate_gain, every, start, len(block), every / 2)

    levels = np.ones(0)
    if keep < 1:
        recorded, converted = (Envelope(r, FRAME_RATE) for r in (RATE, rate))
        for _, block in wave_16k.blocks():
            recorded.add(block)
        for _, block in gated():
            converted.add(block)
        levels = envelope_gain(recorded.power(), converted.power(), keep)
    for start, block in gated():
        into.append(block * curve(levels, every, start, len(block), every / 2))
    sound.close()
    return into


@dataclass
class Finished:
    """A result that waits to be read.

    Attributes:
        rate: in Hz. frames: exact length. channels: 1 or more.
        seconds: of the recording.
    """

    recording: SpooledRecording
    sounds: list[Spool]
    voice_rate: int
    rate: int
    frames: int
    gain: float = 1.0
    limited: bool = False
    ceiling: float = 1.0

    @property
    def channels(self) -> int:
        return 2 if self.recording.side is not None else len(self.sounds)

    @property
    def seconds(self) -> float:
        return self.recording.frames / self.recording.rate

    def mixed(self) -> Iterator[np.ndarray]:
        """Blocks (T, C) at the voice's rate, before gain."""
        side = self.recording.side
        length = len(self.sounds[0])
        for start in range(0, length, BLOCK):
            parts = [s.read(start, start + BLOCK) for s in self.sounds]
            if side is not None:
                kept = np.zeros_like(parts[0])
                found = side.read(start, start + len(kept))
                kept[: len(found)] = found
                parts = [parts[0] + kept, parts[0] - kept]
            yield np.stack(parts, axis=1)

    def levelled(self) -> Iterator[np.ndarray]:
        """`mixed` with the gain, never above the ceiling."""
        if not self.limited:
            for block in self.mixed():
                yield block * np.float32(self.gain)
            return
        from rvc.audio.limiter import Limiter

        limiter = Limiter(self.voice_rate, self.channels, self.ceiling)
        for block in self.mixed():
            yield limiter(block * np.float32(self.gain))
        yield limiter.rest()

    def blocks(self) -> Iterator[np.ndarray]:
        """The result (T, C) at `rate`, `frames` samples in all."""
        resampler = StreamResampler(self.voice_rate, self.rate, self.channels)
        left = self.frames
        for block in self._resampled(resampler):
            block = block.reshape(-1, self.channels)[:left]
            left -= len(block)
            if len(block):
                yield block
        if left:
            yield np.zeros((left, self.channels), np.float32)

    def _resampled(self, resampler: StreamResampler) -> Iterator[np.ndarray]:
        for block in self.levelled():
            yield resampler(block if self.channels > 1 else block[:, 0])
        yield resampler(None, last=True)

    def close(self) -> None:
        self.recording.close()

    def __enter__(self) -> Finished:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def finish(
    recording: SpooledRecording,
    sounds: list[Spool],
    masks: list[np.ndarray],
    rate: int,
    p: Conversion,
    report: Report,
) -> Finished:
    """Shape, polish and measure the converted sounds; nothing is held in memory."""
    ready = []
    for sound, loud, wave in zip(sounds, masks, recording.waves, strict=True):
        made = shaped(sound, loud, wave, rate, p.volume_envelope, recording.spool())
        if p.clean_audio or p.post_process:
            from rvc.infer.polish import polished

            made = polished(made, rate, p, recording.spool, report)
        ready.append(made)
    asked = {"voice": rate, "input": recording.rate}.get(p.export_rate) or int(p.export_rate)
    out_rate = encode.file_rate(p.export_format, asked)
    frames = round(recording.frames * out_rate / recording.rate)
    done = Finished(recording, ready, rate, out_rate, max(1, frames))
    _level(done, p)
    return done


def _level(done: Finished, p: Conversion) -> None:
    """Choose the gain: the recording's loudness if asked for, and no peak above the ceiling."""
    peak, loudness = TruePeak(done.channels), Loudness(done.voice_rate, done.channels)
    for block in done.mixed():
        peak.add(block)
        if p.match_loudness:
            loudness.add(block)
    lossless = p.export_format in ("WAV", "FLAC")
    done.ceiling = 10 ** ((CEILING_DB if lossless else LOSSY_CEILING_DB) / 20)
    wanted, ours = done.recording.lufs, loudness.lufs()
    if p.match_loudness and np.isfinite(wanted) and np.isfinite(ours):
        done.gain = float(10 ** ((wanted - ours) / 20))
        done.limited = done.gain * peak.peak > done.ceiling
        for _ in range(LOUDER if done.limited else 0):
            missing = wanted - _limited_lufs(done)
            if missing < 0.2:
                break
            done.gain *= float(10 ** (missing / 20))
    elif peak.peak > done.ceiling:
        done.gain = done.ceiling / peak.peak


def _limited_lufs(done: Finished) -> float:
    loudness = Loudness(done.voice_rate, done.channels)
    for block in done.levelled():
        loudness.add(block)
    return loudness.lufs()
