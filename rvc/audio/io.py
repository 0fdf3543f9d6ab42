"""Sound files in and out: any common format, typed errors, constant memory, no half files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from rvc.audio import decode, encode, formats
from rvc.audio.resample import resample
from rvc.errors import BadInput

EXTENSIONS = frozenset(formats.EXTENSIONS)
LOUDEST = 64.0  # +36 dBFS: float files beyond this hold numbers, not sound


@dataclass(frozen=True)
class Info:
    """What a file's header says. Where `exact` is false `frames` is only a claim, and reading
    from the middle decodes all that is before."""

    rate: int
    channels: int
    frames: int
    format: str
    codec: str
    bits: int
    exact: bool = True

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


BITS = {"PCM_S8": 8, "PCM_U8": 8, "ULAW": 8, "ALAW": 8} | {
    f"PCM_{bits}": bits for bits in (16, 24, 32)
}
BITS |= {"FLOAT": 32, "DOUBLE": 64}


def info(path: Path | str) -> Info:
    """Rate, channels, length and coding of a sound file, without decoding it.

    Raises:
        BadInput: missing, empty or not audio.
    """
    path = _existing(path)
    try:
        with path.open("rb") as data, soundfile.SoundFile(data) as file:
            bits = BITS.get(file.subtype, 0)
            return Info(
                file.samplerate, file.channels, file.frames, file.format, file.subtype, bits
            )
    except soundfile.LibsndfileError:
        found = decode.describe(path)
        return Info(**vars(found), exact=False)


def load(path: Path | str, rate: int | None = None, mono: bool = True) -> tuple[np.ndarray, int]:
    """Read a whole file.

    Args:
        rate: resample to this many Hz (soxr VHQ); None keeps the file's own.
        mono: average the channels.

    Returns:
        (wave float32 (T,) when mono, else (T, C); rate in Hz).

    Raises:
        BadInput: missing, empty, corrupt, not audio, or with values that are not numbers.
    """
    parts = list(blocks(path, mono=mono, block_s=600))
    wave = parts[0].wave if len(parts) == 1 else np.concatenate([part.wave for part in parts])
    own = parts[0].rate
    if rate is None or rate == own:
        return wave, own
    return resample(wave, own, rate), rate


@dataclass(frozen=True)
class Block:
    """A stretch of a file: `wave` float32 (T,) or (T, C), its first frame's position, the rate."""

    wave: np.ndarray
    start: int
    rate: int


def blocks(
    path: Path | str,
    mono: bool = True,
    block_s: float = 60.0,
    start: int = 0,
    stop: int | None = None,
    strict: bool = True,
) -> Iterator[Block]:
    """Read a file piece by piece, in constant memory.

    Args:
        start, stop: first and past-the-last frame (at the file's own rate).
        strict: refuse values that are not numbers; else they are handed on as they are.

    Raises:
        BadInput: as `load`; also where the damage is met after some good blocks.
    """
    path = _existing(path)
    position = start
    for wave, rate in _pieces(path, block_s, start, stop):
        mixed = wave.mean(axis=1, dtype=np.float32) if mono else wave
        yield Block(_sane(mixed, path, strict), position, rate)
        position += len(wave)
    if position == start:
        raise BadInput(f"{path} holds no sound: its length is zero.", "Replace or remove it.")


def _pieces(
    path: Path, block_s: float, start: int, stop: int | None
) -> Iterator[tuple[np.ndarray, int]]:
    """(wave (T, C), rate) through libsndfile, or through PyAV where that knows no better."""
    try:
        data = path.open("rb")
        file = soundfile.SoundFile(data)
    except soundfile.LibsndfileError:
        data.close()
        yield from _decoded(path, block_s, start, stop)
        return
    with data, file:
        end = file.frames if stop is None else min(stop, file.frames)
        try:
            _go_to(file, start)
            left = end - start
            while left > 0:
                size = min(left, max(1, round(block_s * file.samplerate)))
                wave = file.read(size, dtype="float32", always_2d=True)
                if not len(wave):
                    return
                left -= len(wave)
                yield wave, file.samplerate
        except soundfile.LibsndfileError as error:
            raise decode.unreadable(path, error) from error


def _go_to(file: soundfile.SoundFile, start: int) -> None:
    """Seek, exactly. MP3 frames borrow bits from earlier ones: run up to the place, and keep
    python-soundfile from seeking after every read, which would garble the start of each block."""
    run_up = min(start, file.samplerate) if file.format in ("MP3", "MPEG") else 0
    if start:
        file.seek(start - run_up)
    file.seekable = lambda: False
    if run_up:
        file.read(run_up, dtype="float32")


def _decoded(
    path: Path, block_s: float, start: int, stop: int | None
) -> Iterator[tuple[np.ndarray, int]]:
    """PyAV's small frames, gathered into blocks and cut to start:stop."""
    rate = decode.describe(path).rate
    held: list[np.ndarray] = []
    position, size = 0, 0
    for frame in decode.frames(path):
        piece = frame[max(0, start - position) : None if stop is None else max(0, stop - position)]
        position += len(frame)
        if len(piece):
            held.append(piece)
            size += len(piece)
        if size >= block_s * rate:
            yield np.concatenate(held), rate
            held, size = [], 0
        if stop is not None and position >= stop:
            break
    if held:
        yield np.concatenate(held), rate


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if "\0" in str(path):
        raise BadInput(f"The path {str(path)!r} cannot be used.", "It holds a NUL character.")
    if path.is_dir():
        raise BadInput(f"{path} is a folder.", "Give a sound file.")
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{path} does not exist.", "Check the path.") from None
    if not size:
        raise BadInput(f"{path} is empty (0 bytes).", "Replace or remove it.")
    return path


def _sane(wave: np.ndarray, path: Path, strict: bool) -> np.ndarray:
    top = max(float(wave.max(initial=0)), -float(wave.min(initial=0)))  # NaN propagates
    if not np.isfinite(top) and strict:
        raise BadInput(f"{path} holds values that are not numbers.", "Export it again.")
    if LOUDEST < top < np.inf:
        raise BadInput(
            f"{path} holds values up to {top:.0f} where sound stays within 1.",
            "Export it again as 16-bit, 24-bit or normalised float.",
        )
    return wave


def save(
    path: Path | str,
    wave: np.ndarray,
    rate: int,
    format: encode.Format | None = None,
    bits: int = 16,
    out_rate: int | None = None,
) -> int:
    """Write a whole sound atomically, never clipped: what exceeds full scale is scaled down.

    Args:
        wave: float (T,) or (T, C).
        rate: of `wave` in Hz.
        format: None takes it from the path's extension.
        bits: 16 or 24 for whole numbers, 32 for float (WAV only; FLAC takes 16 and 24).
        out_rate: of the file; None keeps `rate` (or the next one the format has).

    Returns:
        The rate of the file in Hz.

    Raises:
        BadInput: unknown format or extension. VoiceError: `wave` is empty or holds NaN.
        OSError: nothing could be written; an older file of that name is untouched.
    """
    wave = np.asarray(wave, np.float32)
    out = encode.file_rate(encode.format_of(path, format), out_rate or rate)
    if out != rate and len(wave):
        wave = resample(wave, rate, out)
    top = float(np.abs(wave).max(initial=0))
    if top > 1:
        wave = wave / top
    with encode.Writer(path, out, 1 if wave.ndim == 1 else wave.shape[1], format, bits) as file:
        file.write(wave)
    return out
