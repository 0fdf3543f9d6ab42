"""Tells the voice of a song from all else, block by block: memory does not grow with the song.

Two networks hear the magnitudes of a stereo spectrogram and guess those of the voice and of the
accompaniment; the ratio of their squares is a mask for the voice, as published (Spleeter, JOSS
2020). Four things around it were measured to matter:

- The networks do not hear quiet songs well: they get the song at about -15 dBFS.
- Above 11 kHz they are deaf: the mask there is the mean of the octave below.
- Silence before or behind the sound can make them miss a voice: blocks begin at the first sample,
  and the last one reaches back.
- The voice is rounded to 2^-23 and the accompaniment is the song less the voice: for 16- and 24-bit
  songs the two add up to the song bit for bit, in float32 and in 24-bit files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

RATE = 44100
WINDOW, HOP = 4096, 1024  # of the spectrogram the networks were trained on
BINS = 1024  # that they hear, of 2049: to 11 kHz
STEP = 64  # frames; the networks halve time six times
FRAMES = 512  # heard at a time: 11.9 s
CONTEXT = 32  # frames that neighbours share on each side
GRID = np.float32(2**23)  # the voice is a multiple of 1 / GRID
HIGHEST = np.float32(1 - 2**-23)  # the highest sample of a 24-bit file
HEARD_DB = -15.0  # RMS at which the networks hear the song
EPSILON = 1e-10
# periodic Hann twice at a quarter's hop adds up to 1.5
HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)

Network = Callable[[np.ndarray], np.ndarray]  # magnitudes (2, frames, BINS) -> those of a stem


def gain_for(power: float) -> float:
    """What brings a song of this mean square to the level that the networks hear best."""
    return float(10 ** (HEARD_DB / 20) / max(power**0.5, 1e-4))


def spectrum(wave: np.ndarray, frames: int) -> np.ndarray:
    """(T, 2) -> (2, frames, WINDOW / 2 + 1) complex; frame i begins at sample i * HOP."""
    cut = np.lib.stride_tricks.sliding_window_view(wave, WINDOW, axis=0)[::HOP][:frames]
    return np.fft.rfft(cut.transpose(1, 0, 2) * HANN).astype(np.complex64)


def overlapped(spec: np.ndarray) -> np.ndarray:
    """The inverse of `spectrum` where frames overlap fully: ((frames - 1) * HOP + WINDOW, 2)."""
    frames = np.fft.irfft(spec, WINDOW).astype(np.float32) * (HANN * np.float32(2 / 3))
    parts = WINDOW // HOP
    wave = np.zeros((2, spec.shape[1] + parts - 1, HOP), np.float32)
    for part in range(parts):
        wave[:, part : part + spec.shape[1]] += frames[:, :, part * HOP : (part + 1) * HOP]
    return wave.reshape(2, -1).T


def voice_mask(magnitudes: np.ndarray, vocals: Network, accompaniment: Network) -> np.ndarray:
    """How much of each cell is voice, 0 to 1: (2, frames, BINS) -> (2, frames, WINDOW / 2 + 1)."""
    voice = np.square(vocals(magnitudes))
    mask = (voice + EPSILON / 2) / (voice + np.square(accompaniment(magnitudes)) + EPSILON)
    above = mask[..., BINS // 2 :].mean(axis=-1, keepdims=True)
    return np.concatenate([mask, np.repeat(above, WINDOW // 2 + 1 - BINS, axis=-1)], axis=-1)


class VoiceStream:
    """The voice of one song at 44.1 kHz while it streams by.

    Args:
        vocals, accompaniment: the two networks.
        gain: see `gain_for`; the networks alone hear it.
    """

    def __init__(self, vocals: Network, accompaniment: Network, gain: float = 1.0) -> None:
        self.vocals, self.accompaniment, self.gain = vocals, accompaniment, np.float32(gain)
        # The first frame begins a window before the song. What is kept of it begins at frame `at`.
        self.kept = np.zeros((WINDOW, 2), np.float32)
        self.at = 0
        self.done = 0  # frames whose sound is out
        self.taken = self.given = 0  # samples of the song taken in, of the voice given out
        self.tail = np.zeros((WINDOW - HOP, 2), np.float32)  # waits for the frames to come
        self.unheard = WINDOW  # samples before the song that must not come out

    def voice(self, song: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The voice of blocks (T, 2) float32 of any length; as many samples come out in all."""
        for block in song:
            self.taken += len(block)
            self.kept = np.concatenate([self.kept, block.astype(np.float32, copy=False)])
            while len(self.kept) >= self._needed():
                yield self._next(max(0, self.done - CONTEXT), FRAMES, None)
        total = -(-(self.taken + WINDOW) // HOP)
        while self.done < total:
            begin = max(0, self.done - CONTEXT)
            if begin + FRAMES < total:
                yield self._next(begin, FRAMES, None)
            else:
                size = min(FRAMES, -(-total // STEP) * STEP)
                yield self._next(max(0, total - size), size, total)

    def _needed(self) -> int:
        """Samples to keep before the next block can be heard, one more than it holds: so that the
        last block of a song is always known to be the last."""
        begin = max(0, self.done - CONTEXT)
        return (begin - self.at + FRAMES - 1) * HOP + WINDOW + 1

    def _next(self, begin: int, size: int, total: int | None) -> np.ndarray:
        """The voice of the frames not out yet, from hearing frames [begin, begin + size)."""
        end = begin + size - CONTEXT if total is None else total
        heard = self.kept[(begin - self.at) * HOP :][: (size - 1) * HOP + WINDOW]
        missing = (size - 1) * HOP + WINDOW - len(heard)
        spec = spectrum(np.pad(heard, ((0, missing), (0, 0))), size)
        magnitudes = np.abs(spec[..., :BINS]) * self.gain
        mask = voice_mask(magnitudes, self.vocals, self.accompaniment)
        wanted = slice(self.done - begin, end - begin)
        wave = overlapped(spec[:, wanted] * mask[:, wanted])
        wave[: len(self.tail)] += self.tail
        fresh = (end - self.done) * HOP
        out, self.tail = wave[min(self.unheard, fresh) : fresh], wave[fresh:].copy()
        self.unheard = max(0, self.unheard - fresh)
        if total is not None:
            out = out[: self.taken - self.given]
        self.given += len(out)
        self.done = end
        spare = max(0, self.done - FRAMES - self.at)  # the last block may reach back so far
        self.kept, self.at = self.kept[spare * HOP :], self.at + spare
        return np.rint(out * GRID) / GRID


def fitting(voice: np.ndarray, song: np.ndarray) -> np.ndarray:
    """The voice, held so that it and the song less the voice both fit into a 24-bit file.

    Only samples near full scale are changed; where the song itself is louder than that, nothing is.
    """
    low, high = song - HIGHEST, song + np.float32(1)
    inside = np.clip(voice, np.maximum(low, -1), np.minimum(high, HIGHEST))
    return np.where(np.abs(song) <= 1, inside, voice).astype(np.float32)
