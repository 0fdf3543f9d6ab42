"""A recording on its way in: read once as a stream, kept at 16 kHz, made ready for the networks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from rvc.audio import Account, dsp
from rvc.audio.dsp import Loudness
from rvc.audio.io import AudioBlock
from rvc.audio.stream import Spool, StreamResampler
from rvc.errors import BadInput
from rvc.infer import FRAME, RATE, levels

if TYPE_CHECKING:
    from rvc.audio.mix import Mixer

LOG = logging.getLogger(__name__)
Stereo = Literal["mono", "mid", "each"]
PEAK = 0.95  # louder recordings are scaled down to this before anything hears them ...
TAP = 10  # ... but not because of what is louder for less than so many times 10 ms
PREPARE = 16 * RATE  # samples prepared at a time ...
AROUND = RATE // 2  # ... with as many more on both sides: filters have forgotten them by then


def _append(feeds: list[tuple[StreamResampler, Spool]], wave: np.ndarray) -> None:
    """Each column of (T, C), or (T,) itself, into its feed."""
    columns = wave.T if wave.ndim > 1 else [wave]
    for (resampler, spool), column in zip(feeds, columns, strict=True):
        spool.append(resampler(column))


class SpooledRecording:
    """What is known of a recording after reading it once.

    Attributes:
        rate, frames, channels: as it came.
        waves: one 16 kHz signal per sound to convert (one, or one per channel).
        side: half the difference of left and right at `side_rate` ("mid" only).
        levels: of every 10 ms of each of them, in dBFS (after `prepare`).
        peak: highest sample of any channel.
        lufs: integrated loudness; -inf where it is not measured.
    """

    def __init__(
        self, stereo: Stereo, side_rate: int, folder: Path | None = None, measured: bool = False
    ) -> None:
        self.measured = measured
        self.stereo, self.side_rate, self.folder = stereo, side_rate, folder
        self.rate = self.frames = self.channels = 0
        self.peak, self.lufs = 0.0, -np.inf
        self.waves: list[Spool] = []
        self.levels: list[np.ndarray] = []
        self.side: Spool | None = None
        self.open = ExitStack()

    def spool(self) -> Spool:
        """A new signal that lives as long as the recording."""
        return self.open.enter_context(Spool(self.folder))

    def close(self) -> None:
        self.open.close()

    def __enter__(self) -> SpooledRecording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(
        self,
        blocks: Iterable[AudioBlock],
        on_seconds: Callable[[float], None] = lambda s: None,
        account: Account | None = None,
    ) -> None:
        """Take in every block (T,) or (T, C) of one rate; `on_seconds` gets the length so far.

        Args:
            account: gets what was decided about the channels.

        Raises:
            BadInput: no samples, too few, or channels that the stereo mode cannot keep.
        """
        feeds: list[tuple[StreamResampler, Spool]] = []
        meter = mixer = None
        for block in blocks:
            wave = block.wave if block.wave.ndim > 1 else block.wave[:, None]
            if meter is None:
                self.rate, self.channels = block.rate, wave.shape[1]
                feeds, meter = self._feeds(), Loudness(block.rate, wave.shape[1])
                mixer = self._mixer(block.layout)
            self.frames += len(wave)
            self.peak = max(self.peak, dsp.peak(wave))
            if self.measured:
                meter.add(wave)
            _append(feeds, wave if mixer is None else mixer(wave))
            on_seconds(self.frames / self.rate)
        if not self.frames or meter is None:
            raise BadInput("The recording holds no sound.", "Choose another one.")
        if mixer is not None:
            _append(feeds, mixer.rest())
            mixer.tell(Account() if account is None else account)
        for resampler, spool in feeds:
            spool.append(resampler(None, last=True))
        if not all(len(wave) for wave in self.waves):
            raise BadInput(
                f"The recording is too short: {self.frames} sample(s) at {self.rate} Hz.",
                "Choose a longer one.",
            )
        self.lufs = meter.lufs()

    def _feeds(self) -> list[tuple[StreamResampler, Spool]]:
        if self.stereo == "mid" and self.channels > 2:
            raise BadInput(
                f"The recording has {self.channels} channels, which have no middle and sides.",
                "Use --stereo each or --stereo mono.",
            )
        count = self.channels if self.stereo == "each" else 1
        self.waves = [self.spool() for _ in range(count)]
        feeds = [(StreamResampler(self.rate, RATE, 1), spool) for spool in self.waves]
        if self.stereo == "mid" and self.channels == 2:
            self.side = self.spool()
            feeds.append((StreamResampler(self.rate, self.side_rate, 1), self.side))
        return feeds

    def _mixer(self, layout: tuple[str, ...]) -> Mixer | None:
        """What makes one channel of several; None where each stays."""
        if self.stereo == "each" or self.channels == 1:
            return None
        from rvc.audio.mix import Mixer

        return Mixer(self.rate, self.channels, layout, side=self.side is not None)

    def prepare(self, shape: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        """Bring every 16 kHz signal down to PEAK, apply `shape` to it, remove rumble.

        A single tap that is louder than all the rest is cut off at full scale instead.

        Args:
            shape: changes (T,) at 16 kHz without changing its length; it may look AROUND far.
        """
        gain = self._gain()
        for number, raw in enumerate(self.waves):
            ready, measured = self.spool(), []
            for start in range(0, len(raw), PREPARE):
                before = min(start, AROUND)
                wave = raw.read(start - before, start + PREPARE + AROUND)
                wave = np.clip(wave * np.float32(gain), -1, 1)
                shaped = dsp.highpass(wave if shape is None else shape(wave), RATE)
                ready.append(shaped[before : before + PREPARE])
                # neither rumble nor what a filter lets ring on is sound
                low, high = (levels(w[before : before + PREPARE]) for w in (wave, shaped))
                measured.append(np.minimum(low, high))
            raw.close()
            self.waves[number] = ready
            self.levels.append(np.concatenate(measured))

    def _gain(self) -> float:
        """What brings the loudest sound, taps left aside, down to PEAK."""
        if self.peak <= PEAK:
            return 1.0
        count, loudest = 0, [0.0]
        for raw in self.waves:
            for _, block in raw.blocks():
                edges = np.arange(0, len(block), FRAME)
                peaks = np.maximum.reduceat(np.abs(block), edges)
                loudest = sorted([*loudest, *peaks], reverse=True)[: TAP * len(self.waves)]
                count += len(peaks)
        return min(1.0, PEAK / max(loudest[min(len(loudest) - 1, count // 2)], 1e-9))
