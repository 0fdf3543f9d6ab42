"""Writing sound files piece by piece; a file appears under its name only when it is complete."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
import soundfile

from rvc import files
from rvc.errors import BadInput, VoiceError

Format = Literal["WAV", "FLAC", "MP3", "OGG", "OPUS", "M4A"]
FORMATS: tuple[Format, ...] = get_args(Format)
ALIASES: dict[str, Format] = {"AAC": "M4A", "MP4": "M4A", "OGA": "OGG"}  # other extensions
MPEG_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
RATES_HZ = {
    "MP3": MPEG_HZ,
    "M4A": MPEG_HZ,
    "OPUS": (8000, 12000, 16000, 24000, 48000),
}
SUBTYPES = {
    ("WAV", 16): "PCM_16",
    ("WAV", 24): "PCM_24",
    ("WAV", 32): "FLOAT",
    ("FLAC", 16): "PCM_16",
    ("FLAC", 24): "PCM_24",
    ("FLAC", 32): "PCM_24",
}
LOSSY = {"MP3": "MPEG_LAYER_III", "OGG": "VORBIS", "OPUS": "OPUS"}
MOST_CHANNELS = {"WAV": 1024, "FLAC": 8, "MP3": 2, "OGG": 255, "M4A": 6, "OPUS": 255}
WAV_LIMIT = 4_000_000_000  # bytes; beyond them a WAV file needs 64-bit sizes, and becomes RF64
BLOCK = 1 << 16  # frames per call: libsndfile's Vorbis encoder overflows its stack on huge ones


def format_of(path: Path | str, given: str | None = None) -> Format:
    """The format asked for, or the one the path's extension means.

    Raises:
        BadInput: neither is one we write.
    """
    name = (given or Path(path).suffix.lstrip(".")).upper()
    name = ALIASES.get(name, name)
    for known in FORMATS:
        if name == known:
            return known
    raise BadInput(
        f"{path}: cannot write {name or 'a file without extension'}.",
        "Use " + ", ".join(FORMATS) + ".",
    )


def file_rate(format: Format, rate: int) -> int:
    """`rate`, or the next higher one (else the highest) a format can hold, in Hz."""
    allowed = RATES_HZ.get(format)
    if not allowed or rate in allowed:
        return rate
    return min((r for r in allowed if r > rate), default=allowed[-1])


def check(path: Path, format: Format, channels: int) -> None:
    """Refuse what a format cannot hold, before any work is done for it.

    Raises:
        BadInput: too many channels.
    """
    most = MOST_CHANNELS[format]
    if channels > most:
        raise BadInput(
            f"{path}: {format} holds at most {most} channels, not {channels}.",
            "Use WAV, or --stereo mono.",
        )


def write_float(path: Path, wave: np.ndarray, rate: int) -> None:
    """Write a mono float32 WAV in one go; for the many small files of a data set.

    Not atomic: whoever calls must not count on the file before the whole set is complete.

    Raises:
        OSError: with the reason and the path, which soundfile would hide.
    """
    data = np.asarray(wave, "<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHHH", b"RIFF", 50 + len(data), b"WAVE", b"fmt ", 18, 3, 1,
                       rate, 4 * rate, 4, 32, 0)  # fmt: skip
    fact = struct.pack("<4sII4sI", b"fact", 4, len(data) // 4, b"data", len(data))
    path.write_bytes(head + fact + data)


class _Sink:
    """A file that remembers its first error: libsndfile's callbacks cannot raise."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        if self.error is None:
            try:
                return self.file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def seek(self, *where: int) -> int:
        return self.file.seek(*where)

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    def readinto(self, into: Any) -> int:
        return int(self.file.readinto(into))  # type: ignore[attr-defined]

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        """The writer closes the file."""


class Writer:
    """Context manager that writes float blocks (T,) or (T, C) in [-1, 1] to a sound file.

    Leaving it normally puts the file in place; leaving it with an exception leaves no trace
    and no harm to an older file of that name.
    """

    def __init__(
        self,
        path: Path | str,
        rate: int,
        channels: int = 1,
        format: Format | None = None,
        bits: int = 16,
        kbits: int | None = None,
        frames: int = 0,
    ) -> None:
        """Args:
        kbits: bit rate of a lossy format in kbit/s; None takes one worth having.
        frames: how many are to come, where that is known: a WAV too large becomes RF64.

        Raises:
            BadInput: the format cannot hold this.
        """
        self.path = Path(path)
        self.format = format_of(path, format)
        check(self.path, self.format, channels)
        if self.format in ("WAV", "FLAC") and (self.format, bits) not in SUBTYPES:
            raise BadInput(f"{bits} bits per sample cannot be written.", "Use 16, 24 or 32.")
        if file_rate(self.format, rate) != rate:
            raise BadInput(f"{self.format} cannot hold {rate} Hz.", "Resample first.")
        self.rate, self.channels, self.bits, self.frames = rate, channels, bits, 0
        self.kbits = kbits
        self.big = self.format == "WAV" and frames * channels * bits // 8 > WAV_LIMIT
        self.part = files.temporary(self.path)

    def __enter__(self) -> Writer:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.sink = _Sink(self.part.open("w+b"))
        try:
            self.coder = self._coder()
        except BaseException:
            self._drop()
            raise
        return self

    def _coder(self) -> Any:
        if self.format == "M4A":
            from rvc.audio.lossy import Aac

            return Aac(self.sink, self.rate, self.channels, self.kbits)
        container = {"OPUS": "OGG"}.get(self.format, self.format)
        if self.format == "WAV":
            container = "RF64" if self.big else "WAVEX" if self.channels > 2 else "WAV"
        subtype, more = SUBTYPES.get((self.format, self.bits)), {}
        if self.format in LOSSY:
            from rvc.audio.lossy import compression

            subtype = LOSSY[self.format]
            more = compression(self.format, self.rate, self.channels, self.kbits)
        return soundfile.SoundFile(
            self.sink, "w", self.rate, self.channels, subtype=subtype, format=container, **more
        )

    def write(self, wave: np.ndarray) -> None:
        """Append a block.

        Raises:
            VoiceError: values that are not numbers. OSError: the disk refused.
        """
        wave = np.asarray(wave, np.float32)
        if not np.isfinite(wave).all():
            raise VoiceError(f"{self.path}: the sound to write holds values that are not numbers.")
        size = (self.frames + len(wave)) * self.channels * self.bits // 8
        if self.format == "WAV" and not self.big and size > WAV_LIMIT:
            raise BadInput(f"{self.path} would exceed 4 GB.", "Write FLAC instead.")
        wave = np.clip(wave, -1, 1)
        for start in range(0, len(wave), BLOCK):
            self.coder.write(wave[start : start + BLOCK])
            self._raise_sink()
        self.frames += len(wave)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.coder.close()
            if kind is None:
                self._finish()
        finally:
            self._drop()

    def _finish(self) -> None:
        self._raise_sink()
        if not self.frames:
            raise VoiceError(f"{self.path}: there is no sound to write.")
        try:
            self.sink.file.close()
            files.commit(self.part, self.path)
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(self.path)) from error

    def _raise_sink(self) -> None:
        if self.sink.error is not None:
            fault = self.sink.error
            raise OSError(fault.errno, fault.strerror, str(self.path)) from fault

    def _drop(self) -> None:
        self.sink.file.close()
        files.discard(self.part)
