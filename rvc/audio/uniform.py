"""Decoded frames as arrays, the same whatever codec and reader they came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import soxr

from rvc.audio import Account, Decoded
from rvc.audio.mix import Mixer

FEW_PLANES = 7  # PyAV reads beyond the planes of a frame of more


def decoded(frame: Any) -> Decoded:
    """PyAV's audio frame of any sample format."""
    import av

    channels = frame.layout.nb_channels
    form = frame.format.name
    if form == "fltp" and channels <= FEW_PLANES:
        wave = frame.to_ndarray().T
    elif form == "flt":
        wave = frame.to_ndarray().reshape(-1, channels)
    else:
        resampler = av.AudioResampler("flt", frame.layout, frame.sample_rate)
        parts = [piece.to_ndarray().reshape(-1, channels) for piece in resampler.resample(frame)]
        wave = np.concatenate(parts)
    layout = tuple(channel.name for channel in frame.layout.channels)
    return Decoded(np.ascontiguousarray(wave, np.float32), frame.sample_rate, layout)


class Uniform:
    """Brings pieces to the rate and the channels of the first one, where a stream changes."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.first: Decoded | None = None
        self.kind: tuple[int, int] = (0, 0)
        self.mixer: Mixer | None = None
        self.stream: Any = None
        self.done_s = 0.0

    def __call__(self, pieces: Iterable[Decoded]) -> Iterator[Decoded]:
        for piece in pieces:
            if self.first is None:
                self.first = piece
                self.kind = (piece.rate, piece.wave.shape[1])
            if (piece.rate, piece.wave.shape[1]) != self.kind:
                yield from self._rest()
                self._change(piece)
            yield from self._fitted(piece.wave, False)
            self.done_s += piece.seconds
        yield from self._rest()

    def _change(self, piece: Decoded) -> None:
        assert self.first is not None
        self.kind = (piece.rate, piece.wave.shape[1])
        rate, channels = self.first.rate, self.first.wave.shape[1]
        if self.kind == (rate, channels):
            return
        self.account.note(
            f"from {self.done_s:.1f} s on it has {self.kind[1]} channel(s) at {self.kind[0]} Hz; "
            f"this was brought to the {channels} channel(s) at {rate} Hz it begins with"
        )
        if self.kind[1] not in (1, channels):
            self.mixer = Mixer(piece.rate, self.kind[1], piece.layout)
        if piece.rate != rate:
            own = channels if self.kind[1] == channels else 1
            self.stream = soxr.ResampleStream(piece.rate, rate, own, "float32", "VHQ")

    def _fitted(self, wave: np.ndarray, last: bool) -> Iterator[Decoded]:
        assert self.first is not None
        channels = self.first.wave.shape[1]
        if self.mixer is not None:
            wave = (self.mixer.rest() if last else self.mixer(wave))[:, None]
        if self.stream is not None:
            flat = wave[:, 0] if wave.shape[1] == 1 else wave
            wave = self.stream.resample_chunk(np.ascontiguousarray(flat), last=last)
            wave = wave[:, None] if wave.ndim == 1 else wave
        if wave.shape[1] != channels:
            wave = np.repeat(wave[:, :1], channels, axis=1)
        if len(wave):
            yield Decoded(wave, self.first.rate, self.first.layout)

    def _rest(self) -> Iterator[Decoded]:
        if self.mixer is not None or self.stream is not None:
            own = 1 if self.mixer is not None else self.kind[1]
            yield from self._fitted(np.zeros((0, own), np.float32), True)
        self.mixer = self.stream = None
