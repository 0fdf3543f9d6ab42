"""Sound of any length in constant memory: resampled as it passes, kept, laid out in time.

What is short is kept in RAM, what is long in a temporary file.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

log = logging.getLogger(__name__)
IN_MEMORY = 1 << 20  # bytes
BLOCK = 1 << 17  # samples read at a time: 0.5 MB


def resample(wave: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Offline resampling of a recording in soxr's best quality.

    Args:
        wave: (T,) or (T, channels) samples.

    Returns:
        float32, about T * to_hz / from_hz samples; the same array when the rates agree.
    """
    import soxr

    wave = np.asarray(wave, dtype=np.float32)
    if from_hz == to_hz or not len(wave):
        return wave
    out: np.ndarray = soxr.resample(wave, from_hz, to_hz, quality="VHQ")
    return out.astype(np.float32, copy=False)


class StreamResampler:
    """Resamples sound that comes in blocks, as `resample` would do it with the whole.

    A pass-through where the rates agree.
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int = 1) -> None:
        import soxr

        same = from_hz == to_hz
        self.stream: Any = (
            None if same else soxr.ResampleStream(from_hz, to_hz, channels, "float32", "VHQ")
        )
        self.empty = np.zeros((0, channels) if channels > 1 else 0, np.float32)

    def __call__(self, wave: np.ndarray | None, last: bool = False) -> np.ndarray:
        """The next samples (T,) or (T, C); None with `last` flushes what is held back."""
        wave = self.empty if wave is None else np.ascontiguousarray(wave, np.float32)
        if self.stream is None:
            return wave
        out: np.ndarray = self.stream.resample_chunk(wave, last=last)
        return out


def scratch() -> Path:
    """The folder for what is too long for memory: the cache, or the system's where it is closed."""
    from rvc.config import paths  # whoever only resamples does without the settings

    folder = paths().cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.debug("%s", error)
    return folder if os.access(folder, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


class Spool:
    """A growing mono signal (T,) float32 that can be read anywhere and sliced like an array.

    Args:
        folder: where a long one is kept (removed when closed); None is the cache folder, because
            the system's own is often a part of memory.
    """

    dtype = np.dtype(np.float32)
    ndim = 1

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or scratch()
        self.file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by close()
            IN_MEMORY, dir=str(self.folder)
        )
        self.length = 0

    def append(self, wave: np.ndarray) -> None:
        """Add samples (T,) at the end."""
        try:
            self.file.seek(0, 2)
            self.file.write(np.ascontiguousarray(wave, np.float32).tobytes())
        except OSError as error:  # says which disk is full
            raise OSError(error.errno, error.strerror, str(self.folder / "sound")) from error
        self.length += len(wave)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Samples [start, stop) as far as there are any; always a copy."""
        start, stop = max(0, start), min(stop, self.length)
        if stop <= start:
            return np.zeros(0, np.float32)
        self.file.seek(4 * start)
        return np.frombuffer(self.file.read(4 * (stop - start)), np.float32).copy()

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """(position, samples) of the whole signal, in order."""
        for start in range(0, self.length, size):
            yield start, self.read(start, start + size)

    def __len__(self) -> int:
        return self.length

    @property
    def shape(self) -> tuple[int]:
        return (self.length,)

    def __getitem__(self, index: slice) -> np.ndarray:
        start, stop, step = index.indices(self.length)
        return self.read(start, stop)[::step] if step > 0 else self.read(0, self.length)[index]

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Timeline:
    """Collects overlapping pieces, in order, into a spool of exactly `length` samples."""

    def __init__(self, spool: Spool, length: int) -> None:
        self.spool, self.length = spool, length
        self.tail = np.zeros(0, np.float32)  # begins where the spool ends

    def add(self, at: int, wave: np.ndarray) -> None:
        """Add samples (T,) from position `at`, which never lies before that of an earlier piece.

        What falls outside [0, length) is dropped.
        """
        if at < 0:
            at, wave = 0, wave[-at:]
        wave = wave[: max(0, self.length - at)]
        if not len(wave):
            return
        self._advance(at)
        short = at - self.spool.length + len(wave) - len(self.tail)
        if short > 0:
            self.tail = np.concatenate([self.tail, np.zeros(short, np.float32)])
        begin = at - self.spool.length
        self.tail[begin : begin + len(wave)] += wave

    def _advance(self, to: int) -> None:
        """Write everything before position `to`."""
        ready = min(max(0, to - self.spool.length), len(self.tail))
        self.spool.append(self.tail[:ready])
        self.tail = self.tail[ready:]
        if not len(self.tail):
            while (gap := to - self.spool.length) > 0:
                self.spool.append(np.zeros(min(gap, BLOCK), np.float32))

    def finish(self) -> Spool:
        """The whole line."""
        self._advance(self.length)
        return self.spool
