"""Several channels into one without losing the voice: opposite channels, one-sided stereo, 5.1.

The plain average is right for most stereo. Where it would lower what is heard by more than a few
decibels - the voice in one channel only, in the centre of six, or opposite in two - the weights
change: by the channels' places where the file names them, by energy and correlation in the second
around where it does not. What one moment needs is told by its surroundings alone, so that reading
from the middle of a file mixes as reading from its start does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rvc.audio import Account

CELL_S = 0.05  # one set of weights for so long, crossfaded into the next
REACH = 10  # cells looked at on both sides
PLACES = {"FC": 1.0, "FL": 0.5, "FR": 0.5, "LFE": 0.0, "LFE2": 0.0}
ELSEWHERE = 0.35  # weight of surround and height channels
BETWEEN = 0.7071  # share of centre and surround in each of two sides (ITU-R BS.775)
QUIET = 1e-7  # -70 dBFS: what is quieter decides nothing
OPPOSITE = 0.5  # correlation below minus this turns a channel round
KEPT, LOWERED = 0.55, 0.45  # share of the loudest channel's power: left alone / made up for
RAISED, DOUBLED = 1.6, 2.0
TOLD_S = 0.5  # decisions about less are not told
NOTABLE = 1.4  # a gain worth telling


def places(layout: tuple[str, ...], channels: int) -> np.ndarray:
    """Weight of each channel (C,) float32 by its place, as in "FC"; equal ones without places."""
    if channels > 2 and len(layout) == channels and {"FC", "FL"} & set(layout):
        return np.array([PLACES.get(name, ELSEWHERE) for name in layout], np.float32)
    return np.full(channels, 1 / channels, np.float32)


def cell(rate: int) -> int:
    """Frames that share a set of weights."""
    return max(1, round(CELL_S * rate))


def context(rate: int) -> int:
    """Frames on both sides of a place that its weights depend on."""
    return (REACH + 2) * cell(rate)


@dataclass
class Counted:
    """How often, in cells, and from which cell on something was decided."""

    cells: int = 0
    first_cell: int = 0

    @property
    def seconds(self) -> float:
        return self.cells * CELL_S

    @property
    def at_s(self) -> float:
        return self.first_cell * CELL_S


class Mixer:
    """Mixes a stream of blocks (T, C) down; what it gives lags behind until `rest`.

    Args:
        layout: places of the channels such as ("FL", "FR"), () when unknown.
        side: also give half of what distinguishes left and right (two channels only).
    """

    def __init__(
        self, rate: int, channels: int, layout: tuple[str, ...] = (), side: bool = False
    ) -> None:
        self.rate, self.channels, self.side = rate, channels, side
        self.base, self.size = places(layout, channels), cell(rate)
        self.difference = np.array([0.5, *[0.0] * (channels - 2), -0.5][:channels], np.float32)
        self.reference = layout.index("FC") if channels > 2 and "FC" in layout else 0
        self.held = np.zeros((0, channels), np.float32)
        self.power = np.zeros((0, channels, channels))  # of cells from `first_cell` on
        self.first_cell = self.next_cell = 0
        self.turned, self.raised = Counted(), Counted()

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """The next mixed samples (T',), or (T', 2) with the side."""
        if self.channels == 1:
            return self._one(wave)
        self.held = np.concatenate([self.held, wave]) if len(self.held) else wave
        self._measure(len(self.held) // self.size)
        ready = len(self.power) - REACH - 1 - (self.next_cell - self.first_cell)
        return self._mix(max(0, ready), max(0, ready) * self.size)

    def rest(self) -> np.ndarray:
        """What is still held back, at the end of the stream."""
        if self.channels == 1:
            return self._one(self.held)
        cells = -(-len(self.held) // self.size)
        self._measure(cells)
        return self._mix(cells, len(self.held))

    def tell(self, account: Account) -> None:
        """Enter the decisions that matter."""
        if self.turned.seconds >= TOLD_S:
            account.note(
                f"For {self.turned.seconds:.1f} s, from {self.turned.at_s:.1f} s on, the channels "
                "are opposite and would cancel each other: one was turned round."
            )
        if self.raised.seconds >= TOLD_S:
            account.note(
                f"For {self.raised.seconds:.1f} s, from {self.raised.at_s:.1f} s on, the sound is "
                f"not in all of the {self.channels} channels: it was kept at its level."
            )

    def _one(self, wave: np.ndarray) -> np.ndarray:
        mono = wave[:, 0]
        return np.stack([mono, np.zeros_like(mono)], axis=1) if self.side else mono

    def _measure(self, cells: int) -> None:
        """Covariance of the channels in each cell up to `cells` after the held samples' first."""
        known = self.first_cell + len(self.power) - self.next_cell
        if cells <= known:
            return
        wave = self.held[known * self.size : cells * self.size]
        planes = np.zeros((self.channels, (cells - known) * self.size), np.float32)
        planes[:, : len(wave)] = wave.T
        if not np.isfinite(planes.sum()):
            np.nan_to_num(planes, copy=False, posinf=0, neginf=0)
        shaped = planes.reshape(self.channels, cells - known, self.size)
        found = np.empty((cells - known, self.channels, self.channels))
        for one in range(self.channels):
            for other in range(one + 1):
                common = np.einsum("nk,nk->n", shaped[one], shaped[other]) / self.size
                found[:, one, other] = found[:, other, one] = common
        self.power = np.concatenate([self.power, found])

    def _mix(self, cells: int, frames: int) -> np.ndarray:
        """Mix the first `cells` of what is held, and forget them."""
        wave, self.held = self.held[:frames], self.held[frames:]
        before = self.next_cell - self.first_cell
        table = self._weights(before - 1, before + cells + 1, cells)
        mixed = self._weighted(wave, table)
        self.next_cell += cells
        drop = max(0, self.next_cell - REACH - 2 - self.first_cell)
        self.power, self.first_cell = self.power[drop:], self.first_cell + drop
        return mixed

    def _weighted(self, wave: np.ndarray, table: np.ndarray) -> np.ndarray:
        """`wave` by the weights (1 + cells + 1, K, C) of its cells and their neighbours."""
        usual = (table == self._plain()).all(axis=(1, 2))
        usual = usual[:-2] & usual[1:-1] & usual[2:]  # by cell: its own weights and both beside
        if usual.all():
            return self._plainly(wave)
        mixed = []
        edges = np.flatnonzero(np.diff(usual)) + 1
        for start, stop in zip([0, *edges], [*edges, len(usual)], strict=True):
            part = wave[start * self.size : stop * self.size]
            faded = table[start : stop + 2]
            mixed.append(self._plainly(part) if usual[start] else self._faded(part, faded))
        return np.concatenate(mixed)

    def _plainly(self, wave: np.ndarray) -> np.ndarray:
        if self.channels == 2:
            mono = (wave[:, 0] + wave[:, 1]) / 2
        elif (self.base == self.base[0]).all():
            mono = wave.mean(axis=1, dtype=np.float32)
        else:
            mono = np.asarray(wave @ self.base)
        if not self.side:
            return np.asarray(mono)
        return np.stack([mono, (wave[:, 0] - wave[:, -1]) / 2], axis=1)

    def _faded(self, wave: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Each sample by the weights between the middles of two cells."""
        at = (np.arange(len(wave)) + 0.5) / self.size + 0.5
        low = np.minimum(at.astype(np.intp), len(table) - 2)
        share = (at - low).astype(np.float32)
        mixed = np.zeros((len(wave), table.shape[1]), np.float32)
        for row in range(table.shape[1]):
            for channel in range(self.channels):
                weights = table[:, row, channel]
                faded = weights[low] * (1 - share) + weights[low + 1] * share
                mixed[:, row] += faded * wave[:, channel]
        return mixed if self.side else mixed[:, 0]

    def _plain(self) -> np.ndarray:
        """Weights (K, C) where nothing speaks against the plain mix."""
        return np.stack([self.base, self.difference] if self.side else [self.base])

    def _weights(self, start: int, stop: int, mixed: int) -> np.ndarray:
        """Weights (stop - start, K, C) of the cells, counted from the first one known.

        Args:
            mixed: how many of them, from the second on, are mixed now.
        """
        sums = np.concatenate([np.zeros((1, *self.power.shape[1:])), self.power.cumsum(axis=0)])
        number = np.clip(np.arange(start, stop), 0, max(0, len(self.power) - 1))
        low, high = np.maximum(number - REACH, 0), np.minimum(number + REACH + 1, len(self.power))
        around = (sums[high] - sums[low]) / np.maximum(high - low, 1)[:, None, None]
        signs, gain = self._decide(around)
        now = slice(1, 1 + mixed)
        self._count(self.turned, signs[now].min(axis=1, initial=1) < 0)
        self._count(self.raised, gain[now] > NOTABLE)
        mono = self.base * signs * gain[:, None]
        rows = [mono, self._apart(around, mono, signs, gain)] if self.side else [mono]
        return np.stack(rows, axis=1).astype(np.float32)

    def _count(self, counted: Counted, cells: np.ndarray) -> None:
        if cells.any() and not counted.cells:
            counted.first_cell = self.next_cell + int(cells.argmax())
        counted.cells += int(cells.sum())

    def _decide(self, around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(sign of each channel (n, C) from -1 to 1, gain (n,)) for covariances (n, C, C)."""
        power = np.einsum("ncc->nc", around)
        own = power[:, self.reference][:, None]
        alike = 2 * around[:, self.reference] / np.maximum(own + power, 1e-20)
        signs = np.clip((alike + OPPOSITE) / 0.1, -1, 1)
        heard = power * (self.base > 0)
        top = np.maximum(heard.max(axis=1), 1e-20)
        chosen = self.base * signs
        share = np.maximum(np.einsum("nc,ncd,nd->n", chosen, around, chosen) / top, 1e-12)
        low = np.clip((KEPT - share) / (KEPT - LOWERED), 0, 1)
        high = np.clip((share - RAISED) / (DOUBLED - RAISED), 0, 1)
        gain = share ** (-0.5 * (low + high))
        gain = np.where(heard.max(axis=1) > QUIET, gain, 1.0)
        signs = np.where((heard.max(axis=1) > QUIET)[:, None], signs, 1.0)
        return signs, np.minimum(gain, max(4.0, self.channels))

    def _apart(
        self, around: np.ndarray, mono: np.ndarray, signs: np.ndarray, gain: np.ndarray
    ) -> np.ndarray:
        """Weights (n, C) of the side: where the mix is not plain, nothing of the voice."""
        side = self.difference * np.append(np.ones_like(signs[:, :-1]), signs[:, -1:], axis=1)
        common = np.einsum("nc,ncd,nd->n", side, around, mono)
        own = np.einsum("nc,ncd,nd->n", mono, around, mono)
        plain = (gain == 1) & (signs.min(axis=1) == 1)
        share = np.where(plain, 0.0, common / np.maximum(own, 1e-20))
        return np.asarray(side - share[:, None] * mono)


def to_stereo(wave: np.ndarray) -> np.ndarray:
    """(T, C) -> (T, 1 or 2): more channels become two sides, those of films by their order."""
    count = wave.shape[1]
    if count <= 2:
        return wave
    if count == 6:  # left, right, centre, low frequencies, surround left and right
        sides = wave[:, :2] + BETWEEN * (wave[:, 2:3] + wave[:, 4:6])
    else:
        sides = np.stack([wave[:, side::2].mean(axis=1) for side in (0, 1)], axis=1)
    return np.asarray(np.clip(sides, -1, 1), np.float32)
