"""One output: what it plays at every position of its own clock, however late things come."""

from __future__ import annotations

import numpy as np

from rvc.infer import RATE
from rvc.realtime.drift import Drift
from rvc.realtime.rings import Ring

HELD_S = 3
OUT_S, IN_S = 0.005, 0.010  # fades around a gap
ASTRAY_S, PERSISTS = 0.06, 4  # so far from what usually waits, so many hops in a row


class Outlet:
    """Samples of an output, each with its place: sample i is what was heard at i / rate - delay.

    What is not there when its time has come is silence, and is not played later: a stall makes a
    gap, never a delay. Gaps fade out and in.

    Args:
        rate: of the output in Hz.
        delay_s: between what is heard and what is played, both counted from the session's start.
        one_clock: as of `Port`.
    """

    def __init__(self, rate: int, delay_s: float, one_clock: bool) -> None:
        self.rate, self.delay_s = rate, delay_s
        self.ring = Ring(HELD_S * rate, round(delay_s * rate))
        self.drift = None if one_clock else Drift()
        self.moment = 0.0  # of the sample that is made next, in samples at 16 kHz
        self.pulled = 0
        self.armed = False  # counts only from the first sound heard on
        self.rising = self.owed = 0  # samples to fade in; to leave out
        self.fallen = 0  # samples of the fade after a gap that are still to come
        self.last = 0.0
        self.missing = self.gaps = self.jumps = 0
        self.chunk_s = 0.0  # most that is pulled at a time
        self.astray = 0  # hops in a row with far more or less waiting than usual
        self.played = 0  # up to where sound, not a gap, was pulled

    def moments(self, until_16k: int) -> np.ndarray:
        """(N,) when the next samples were heard, in samples at 16 kHz, up to `until_16k`."""
        step = RATE / self.rate * (1 + (self.drift.ratio if self.drift else 0.0))
        count = max(0, int(np.ceil((until_16k - self.moment) / step)))
        return self.moment + step * np.arange(count)

    def add(self, wave: np.ndarray) -> None:
        """Append the sound of the moments that `moments` gave."""
        step = RATE / self.rate * (1 + (self.drift.ratio if self.drift else 0.0))
        self.moment += step * len(wave)
        if self.owed:
            dropped = min(self.owed, len(wave))
            wave, self.owed = wave[dropped:], self.owed - dropped
        if self.rising and len(wave):
            wave = self._risen(wave)
        self.ring.write(wave)

    def _risen(self, wave: np.ndarray) -> np.ndarray:
        whole = round(IN_S * self.rate)
        at = whole - self.rising + 1 + np.arange(len(wave))
        self.rising = max(0, self.rising - len(wave))
        out: np.ndarray = (wave * np.minimum(at / whole, 1)).astype(np.float32)
        return out

    def follow(self, pushed_s: float, passed_s: float, chunk_s: float) -> None:
        """Keep to the input's clock.

        Where one of both stood still for a while, the other is not waited for: it jumps.

        Args:
            pushed_s, passed_s: of sound that was heard by now, and since the last call.
            chunk_s: of sound that is pushed at a time.
        """
        if not self.armed:
            return
        waits_s = (self.ring.end - self.pulled) / self.rate
        excess_s = waits_s + pushed_s - self.moment / RATE - self.delay_s
        usual_s = (self.drift.usual_s if self.drift else None) or 0.0
        far_s = ASTRAY_S + max(self.chunk_s, chunk_s)
        self.astray = self.astray + 1 if abs(excess_s - usual_s) > far_s else 0
        if self.astray >= PERSISTS:
            self._jump(excess_s)
        elif self.drift is not None and not self.astray:
            self.drift.update(excess_s, passed_s)

    def _jump(self, excess_s: float) -> None:
        """Read from where the delay says, but nothing twice."""
        self.interrupt()
        self.pulled = max(self.pulled + round(excess_s * self.rate), self.played)
        self.fallen, self.astray = round(IN_S * self.rate), 0
        self.jumps += 1
        if self.drift is not None:
            self.drift.learn_anew()

    def interrupt(self) -> None:
        """What was added last and what is added next do not belong together: fade between."""
        if self.rising:
            return
        first = max(self.pulled, self.ring.end - round(OUT_S * self.rate))
        fall = np.linspace(1, 0, max(0, self.ring.end - first), dtype=np.float32)
        self.ring.rewrite(first, self.ring.read(first, self.ring.end) * fall)
        self.rising = round(IN_S * self.rate)

    def delay_to(self, delay_s: float) -> None:
        """Play later, with silence between, or sooner, leaving sound out."""
        change = round(delay_s * self.rate) - round(self.delay_s * self.rate)
        self.delay_s = delay_s
        if not change:
            return
        if change < 0:
            unread = max(0, self.ring.end - self.pulled)
            back = min(unread, -change)
            self.ring.withdraw(self.ring.end - back)
            self.owed += -change - back
        self.interrupt()
        if change > 0:
            paid = min(self.owed, change)
            self.owed -= paid
            self.ring.write(np.zeros(change - paid, np.float32))

    def pull(self, samples: int) -> np.ndarray:
        """The next samples to play."""
        if not self.armed:
            return np.zeros(samples, np.float32)
        first = self.pulled
        out = self.ring.read(first, first + samples)
        self.pulled += samples
        self.chunk_s = max(self.chunk_s, samples / self.rate)
        there = min(max(0, self.ring.end - first), samples)
        self.played = max(self.played, first + there) if there else self.played
        if there and self.fallen:
            whole = round(IN_S * self.rate)
            at = whole - self.fallen + 1 + np.arange(there)
            out[:there] *= np.minimum(at / whole, 1).astype(np.float32)
            self.fallen = max(0, self.fallen - there)
        if there < samples:
            self._fall(out, there)
        if samples:
            self.last = float(out[-1])
        return out

    def _fall(self, out: np.ndarray, there: int) -> None:
        """End what is there within 5 ms; the rest is silence."""
        self.missing += len(out) - there
        self.gaps += self.fallen == 0
        self.fallen = round(IN_S * self.rate)
        length = round(OUT_S * self.rate)
        if there:
            length = min(length, there)
            out[there - length : there] *= np.linspace(1, 0, length, dtype=np.float32)
        else:
            length = min(length, len(out))
            out[:length] = self.last * np.linspace(1, 0, length, dtype=np.float32)
