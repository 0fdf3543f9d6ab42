"""The delay as it is heard: bursts of noise out of the output, found again in the microphone.

The output must reach the microphone: a loudspeaker, a cable, or a virtual cable. Four different
bursts are played; each is found by correlation, and counts where its peak stands 20 dB above the
median. What is measured is the way through devices and drivers; block, look-ahead and head room,
which the session keeps by construction (`outlet`), are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rvc.realtime.ports import PortCalls
from rvc.realtime.sampling import Resampler

BURSTS, BURST_S, EVERY_S, LEAD_S, AFTER_S = 4, 0.1, 0.25, 0.3, 1.2
LOW_HZ, HIGH_HZ, LEVEL_DB = 300.0, 6000.0, -12.0
ABOVE_DB, SPREAD_S = 20.0, 0.002
FADE_S, MADE_HZ = 0.005, 48_000


def bursts(rate: int) -> list[np.ndarray]:
    """Different noises of 100 ms between 300 Hz and 6 kHz; the same at every rate."""
    draw, size = np.random.default_rng(20), round(BURST_S * MADE_HZ)
    hz = np.fft.rfftfreq(size, 1 / MADE_HZ)
    out = []
    for _ in range(BURSTS):
        spectrum = np.fft.rfft(draw.standard_normal(size))
        spectrum[(hz < LOW_HZ) | (hz > HIGH_HZ)] = 0
        wave = np.fft.irfft(spectrum, size)
        edge = np.minimum(np.arange(size), np.arange(size)[::-1]) / (FADE_S * MADE_HZ)
        wave *= np.clip(edge, 0, 1) * 10 ** (LEVEL_DB / 20) / np.sqrt(np.mean(wave**2))
        moments = np.arange(round(BURST_S * rate)) * (MADE_HZ / rate)
        out.append(Resampler(MADE_HZ, rate)(np.clip(wave, -1, 1).astype(np.float32), 0, moments))
    return out


def played(rate: int) -> np.ndarray:
    """All that is to be played."""
    out = np.zeros(round((LEAD_S + BURSTS * EVERY_S + AFTER_S) * rate), np.float32)
    for number, wave in enumerate(bursts(rate)):
        at = round((LEAD_S + number * EVERY_S) * rate)
        out[at : at + len(wave)] = wave
    return out


@dataclass(frozen=True)
class ProbeResult:
    """What was measured.

    Attributes:
        delay_s: median of the bursts that were found; None where they do not agree.
        count: of those that were found.
        spread_s: between the earliest and the latest.
    """

    delay_s: float | None
    count: int
    spread_s: float

    def json(self) -> dict[str, Any]:
        delay = None if self.delay_s is None else round(1000 * self.delay_s, 1)
        return {
            "round_trip_ms": delay,
            "bursts": self.count,
            "spread_ms": round(1000 * self.spread_s, 1),
        }


def find(heard: np.ndarray, rate: int) -> ProbeResult:
    """When the bursts arrive in a recording that began with `played` (same rate)."""
    lags = []
    for number, wave in enumerate(bursts(rate)):
        start = round((LEAD_S + number * EVERY_S) * rate)
        size = 1 << int(np.ceil(np.log2(len(heard) + len(wave))))
        product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wave, size))
        level = np.abs(np.fft.irfft(product, size)[: len(heard)])
        peak = int(np.argmax(level))
        if level[peak] > 10 ** (ABOVE_DB / 20) * np.median(level) and level[peak] > 0:
            lags.append((peak - start) / rate)
    if not lags:
        return ProbeResult(None, 0, 0.0)
    middle = float(np.median(lags))
    near = [lag for lag in lags if abs(lag - middle) <= SPREAD_S]
    spread = max(near) - min(near) if near else 0.0
    agree = len(near) > BURSTS // 2
    return ProbeResult(float(np.median(near)) if agree else None, len(near), spread)


class ProbeLink:
    """Stands in for a session: plays the bursts, keeps what is heard.

    Attributes:
        heard: blocks at the port's `rate_in`.
    """

    def __init__(self, rate_out: int) -> None:
        self.sound, self.at = played(rate_out), 0
        self.heard: list[np.ndarray] = []
        self.trouble = ""

    @property
    def over(self) -> bool:
        return self.at >= len(self.sound)

    def push(self, wave: np.ndarray) -> None:
        self.heard.append(wave)

    def pull(self, samples: int) -> np.ndarray:
        if not self.heard:  # what was played and what was heard are counted from one moment on
            return np.zeros(samples, np.float32)
        part = self.sound[self.at : self.at + samples]
        self.at += samples
        return np.pad(part, (0, samples - len(part)))

    def pull_monitor(self, samples: int) -> np.ndarray:
        return np.zeros(samples, np.float32)

    def lost(self, message: str) -> None:
        self.trouble = message or self.trouble


class Detour(ProbeLink):
    """Measures while somebody is live: the session hears and says nothing meanwhile.

    Args:
        link: the session, whose time goes on.
    """

    def __init__(self, rate_out: int, link: PortCalls) -> None:
        super().__init__(rate_out)
        self.link = link

    def push(self, wave: np.ndarray) -> None:
        super().push(wave)
        self.link.push(np.zeros_like(wave))

    def pull(self, samples: int) -> np.ndarray:
        self.link.pull(samples)
        return super().pull(samples)

    def lost(self, message: str) -> None:
        super().lost(message)
        self.link.lost(message)
