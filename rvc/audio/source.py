"""Which reader a file gets, by its content: libsndfile for plain samples, PyAV for what is coded.

A file may hold several sounds in a row; all of them are read, as one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from rvc.audio import (
    CUT,
    ENDLESS,
    LONGER,
    PAGES,
    Account,
    Decoded,
    Part,
    View,
    no_track,
    unreadable,
    wav,
)
from rvc.errors import BadInput

CODED = {"MP3": "mp3", "MPEG": "mp3", "FLAC": "flac", "OGG": "ogg"}  # libsndfile's and PyAV's names


@dataclass
class Source:
    """How a file is read.

    Attributes:
        parts: sounds with plain samples, [] where libsndfile knows better where they are.
        ended: the end of the last one is there.
        coded: it is read by PyAV. form: PyAV's name of its container, None if it is to tell.
        damaged: known before it is decoded.
    """

    parts: list[Part] = field(default_factory=list)
    ended: bool = True
    coded: bool = False
    form: str | None = None
    damaged: bool = False


def find(path: Path, track: int | None = None) -> Source:
    """The reader for a file, told by its first bytes.

    Raises:
        BadInput: it holds plain samples, which are one track, and another one is wanted.
    """
    source = _found(path)
    if not source.coded and track not in (None, 1):
        raise no_track(path, track or 0, 1, "")
    return source


def _found(path: Path) -> Source:
    damaged = False
    with path.open("rb") as file:
        parts = _parts(file)
        if not parts and _needs_codec(file):
            return Source(coded=True)  # libsndfile would only print its doubts about it
        try:
            with soundfile.SoundFile(View(file, parts[0] if parts else _whole(file))) as opened:
                form = opened.format
        except (soundfile.LibsndfileError, TypeError):
            return Source(coded=True)
        if form == "OGG":
            from rvc.audio import container

            found = container.ogg_pages(file)
            damaged = found.damaged
            if found.whole:
                return Source(ended=found.ended)
    if form in CODED:
        return Source(coded=True, form=CODED[form], damaged=damaged)
    return Source(parts)


def _parts(file: BinaryIO) -> list[Part]:
    """The sounds with plain samples in a file, in order; [] when it is of another kind."""
    found: list[Part] = []
    size, start = file.seek(0, 2), 0
    while start < size and (part := _part(file, start, size)) is not None:
        found.append(part)
        following = (at for at in (part.after, part.after + 1) if _begins(file, at))
        start = next(following, size)
    return found


def _begins(file: BinaryIO, at: int) -> bool:
    return wav.read(file, at, 4) in wav.STARTS


def _part(file: BinaryIO, start: int, size: int) -> Part | None:
    try:
        magic = wav.read(file, start, 12)
        if magic[:4] in (b"RIFF", b"RF64", b"BW64") and magic[8:] == b"WAVE":
            return wav.wav(file, start, size)
        if magic[:4] not in wav.STARTS:
            return None
        from rvc.audio import header

        return header.part(file, start, size)
    except struct.error:  # it ends within its header
        return None


def _whole(file: BinaryIO) -> Part:
    """All of a file, shown by a `View`: a seek beyond its ends is no error of the disk."""
    size = file.seek(0, 2)
    return Part(0, 0, size, size)


def _needs_codec(file: BinaryIO) -> bool:
    from rvc.audio.frames import head_of

    file.seek(0)
    first = file.read(16)
    known = first[:4] in (b"fLaC", b"\x1aE\xdf\xa3") or first[:3] == b"ID3"
    return known or head_of("mp3", first) is not None


@contextmanager
def opened(path: Path, source: Source) -> Iterator[list[Any]]:
    """The sounds of a file of plain samples, as `soundfile.SoundFile`."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        views = [View(file, part) for part in source.parts or [_whole(file)]]
        try:
            yield [stack.enter_context(soundfile.SoundFile(view)) for view in views]
        except soundfile.LibsndfileError as error:
            raise unreadable(path, error) from error


def pieces(
    path: Path,
    piece_s: float,
    start: int,
    stop: int | None,
    account: Account,
    track: int | None = None,
) -> Iterator[Decoded]:
    """Frames [start, stop) of a file in pieces (T, C) of one rate and number of channels.

    Args:
        piece_s: how long a piece is at most where samples are plain.
        track: which audio track, from 1; None takes the default one.

    Raises:
        BadInput: nothing in it can be read, or there is no such track.
    """
    source = find(path, track)
    if source.coded:
        position, whole = _coded(path, source, start, account, track)
        whole = _uniform(whole, account)
    elif len(source.parts) > 1:
        position, whole = 0, _uniform(_plain(path, source, piece_s, 0, None, account), account)
    else:
        position, whole = start, _plain(path, source, piece_s, start, stop, account)
    for piece in whole:
        first = max(0, start - position)
        last = len(piece.wave) if stop is None else stop - position
        position += len(piece.wave)
        if last > first and first < len(piece.wave):
            yield Decoded(piece.wave[first:last], piece.rate, piece.layout)
        if stop is not None and position >= stop:
            return
    if source.damaged and not account.losses:
        account.lose(0.0, None, PAGES)


def _uniform(pieces: Iterator[Decoded], account: Account) -> Iterator[Decoded]:
    """Of one rate and one number of channels, whatever the sounds of a file have."""
    from rvc.audio.uniform import Uniform

    return Uniform(account)(pieces)


def _coded(
    path: Path, source: Source, start: int, account: Account, track: int | None
) -> tuple[int, Iterator[Decoded]]:
    """(position of the first piece, at `start` at the latest; pieces)."""
    from rvc.audio import decode  # and with it all that a file of plain samples does without

    form = source.form
    try:
        head = decode.describe(path, form, track)
    except BadInput:
        form, head = None, decode.describe(path, None, track)
    if start:
        found = decode.decoded(path, account, form, start / head.rate, track)
        first = next(found, None)
        if first is not None and first.at <= start:
            return first.at, chain([first], found)
    return 0, decode.decoded(path, account, form, track=track)


def _plain(
    path: Path, source: Source, piece_s: float, start: int, stop: int | None, account: Account
) -> Iterator[Decoded]:
    """The samples of every part, through libsndfile."""
    parts = source.parts or [Part(0, 0, 0, 0)]
    with opened(path, source) as files:
        done_s = start / files[0].samplerate
        for part, file in zip(parts, files, strict=True):
            for note in part.notes:
                account.note(note)
            if not wav.usual(file.samplerate):
                account.note(f"its header says {file.samplerate} Hz, which may be a fault")
            wanted = file.frames if stop is None else min(stop, file.frames)
            if start:
                file.seek(start)
            left = wanted - start
            while left > 0:
                wave = _read(path, file, min(left, max(1, round(piece_s * file.samplerate))))
                if not len(wave):
                    account.lose(done_s, left / file.samplerate, CUT)
                    break
                left -= len(wave)
                done_s += len(wave) / file.samplerate
                yield Decoded(wave, file.samplerate, part.layout)
            if not source.parts and stop is None and wav.holds_more(path, file):
                account.lose(done_s, None, LONGER)
            if not source.ended and stop is None:
                account.lose(done_s, None, ENDLESS)
            if part.missing_s > 0 and stop is None:
                account.lose(done_s, part.missing_s, CUT)


def _read(path: Path, file: Any, count: int) -> np.ndarray:
    try:
        return np.asarray(file.read(count, dtype="float32", always_2d=True))
    except soundfile.LibsndfileError as error:
        raise unreadable(path, error) from error
