"""Sound files in and out: any common format, typed errors, constant memory, no half files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rvc.audio import Account, Decoded, Info, encode, source, wav
from rvc.audio.stream import resample
from rvc.errors import BadInput

LOG = logging.getLogger(__name__)
LOUDEST = 64.0  # +36 dBFS: float files beyond this hold numbers, not sound


BITS = {"PCM_S8": 8, "PCM_U8": 8, "ULAW": 8, "ALAW": 8} | {
    f"PCM_{bits}": bits for bits in (16, 24, 32)
}
BITS |= {"FLOAT": 32, "DOUBLE": 64}


def info(path: Path | str, track: int | None = None) -> Info:
    """Rate, channels, length and coding of a sound file, without decoding it.

    Args:
        track: as `blocks`.

    Raises:
        BadInput: missing, empty or not audio, or without such a track.
    """
    path = _existing(path)
    found = source.find(path, track)
    if found.coded:
        from rvc.audio import decode

        return decode.describe(path, found.form, track)
    with source.opened(path, found) as files:
        first = files[0]
        frames = sum(round(file.frames * first.samplerate / file.samplerate) for file in files)
        rate, channels, codec = first.samplerate, first.channels, first.subtype
        exact = len(files) == 1 and (bool(found.parts) or not wav.holds_more(path, first))
        return Info(rate, channels, frames, first.format, codec, BITS.get(codec, 0), exact)


def load(
    path: Path | str,
    rate: int | None = None,
    mono: bool = True,
    account: Account | None = None,
    track: int | None = None,
) -> tuple[np.ndarray, int]:
    """Read a whole file.

    Args:
        rate: resample to this many Hz (soxr VHQ); None keeps the file's own.
        mono: mix the channels to one.
        account: told what was lost or decided; None logs it.
        track: as `blocks`.

    Returns:
        (wave float32 (T,) when mono, else (T, C); rate in Hz).

    Raises:
        BadInput: missing, empty, corrupt, not audio, or with values that are not numbers.
    """
    parts = list(blocks(path, mono=mono, block_s=600, account=account, track=track))
    wave = parts[0].wave if len(parts) == 1 else np.concatenate([part.wave for part in parts])
    own = parts[0].rate
    if rate is None or rate == own:
        return wave, own
    return resample(wave, own, rate), rate


@dataclass(frozen=True)
class AudioBlock:
    """A stretch of a file: `wave` float32 (T,) or (T, C), its first frame's position, the rate.

    `layout` names the places of the channels, such as ("FL", "FR"); () where nobody knows.
    """

    wave: np.ndarray
    start: int
    rate: int
    layout: tuple[str, ...] = ()


def blocks(
    path: Path | str,
    mono: bool = True,
    block_s: float = 60.0,
    start: int = 0,
    stop: int | None = None,
    strict: bool = True,
    account: Account | None = None,
    track: int | None = None,
) -> Iterator[AudioBlock]:
    """Read a file piece by piece, in constant memory, to the end of what is there.

    Args:
        mono: mix the channels to one, see `rvc.audio.mix`.
        start, stop: first and past-the-last frame (at the file's own rate).
        strict: refuse values that are not numbers; else they are handed on as they are.
        account: told what was lost or decided; None logs it.
        track: of several audio tracks, counted from 1; None takes the default one.

    Raises:
        BadInput: as `load`; also where the damage is met after some good blocks.
    """
    path = _existing(path)
    told = Account() if account is None else account
    lead = _lead(path, start, track) if mono and start else 0
    beyond = None if stop is None else stop + lead
    pieces = source.pieces(path, block_s, start - lead, beyond, told, track)
    parts = _gathered(pieces, block_s)
    position = start - lead
    for wave, rate, layout in _mixed(parts, told) if mono else parts:
        first, last = max(0, start - position), None if stop is None else max(0, stop - position)
        kept = wave[first:last]
        if len(kept):
            yield AudioBlock(_sane(kept, path, strict), position + first, rate, layout)
        position += len(wave)
    if position <= start:
        raise BadInput(f"{path} holds no sound: its length is zero.", "Replace or remove it.")
    if account is None:
        for text in told.sentences():
            LOG.warning("%s: %s", path, text)


Part = tuple[np.ndarray, int, tuple[str, ...]]  # (T, C) or (T,), rate in Hz, layout


def _lead(path: Path, start: int, track: int | None) -> int:
    """Frames before `start` that the mix there depends on."""
    head = info(path, track)
    if head.channels == 1:
        return 0
    from rvc.audio import mix

    size = mix.cell(head.rate)
    return start - max(0, start - mix.context(head.rate)) // size * size


def _gathered(pieces: Iterable[Decoded], block_s: float) -> Iterator[Part]:
    """Small pieces as blocks (T, C) of one rate and one number of channels."""
    held: list[np.ndarray] = []
    size, last = 0, None
    for piece in pieces:
        held.append(piece.wave)
        size, last = size + len(piece.wave), piece
        if size >= block_s * piece.rate:
            yield np.concatenate(held) if len(held) > 1 else held[0], piece.rate, piece.layout
            held, size = [], 0
    if last is not None and size:
        yield np.concatenate(held), last.rate, last.layout


def _mixed(parts: Iterable[Part], account: Account) -> Iterator[Part]:
    """Blocks (T, C) as blocks (T,)."""
    mixer, rate = None, 0
    for wave, rate, layout in parts:
        if wave.shape[1] == 1:
            yield wave[:, 0], rate, ()
            continue
        if mixer is None:
            from rvc.audio.mix import Mixer

            mixer = Mixer(rate, wave.shape[1], layout)
        yield mixer(wave), rate, ()
    if mixer is not None:
        yield mixer.rest(), rate, ()
        mixer.tell(account)


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
    kbits: int | None = None,
) -> int:
    """Write a whole sound atomically, never clipped: what exceeds full scale is scaled down.

    Args:
        wave: float (T,) or (T, C).
        rate: of `wave` in Hz.
        format: None takes it from the path's extension.
        bits: 16 or 24 for whole numbers, 32 for float (WAV only; FLAC takes 16 and 24).
        kbits: bit rate of a lossy format in kbit/s; None takes one worth having.
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
    channels = 1 if wave.ndim == 1 else wave.shape[1]
    with encode.Writer(path, out, channels, format, bits, kbits, len(wave)) as file:
        file.write(wave)
    return out
