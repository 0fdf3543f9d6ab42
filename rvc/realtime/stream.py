"""One direction of one device of this machine, as PortAudio runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rvc.realtime.devices import Kind, SoundDevice

PERIOD_S = 0.02
SILENT_S = 0.5  # without a callback


@dataclass
class Stream:
    """One direction of one device.

    Attributes:
        called_s: when PortAudio called last, by `time.monotonic`.
        flags: how often it said that samples were lost.
    """

    device: SoundDevice
    kind: Kind
    rate: int
    opened: Any = None
    called_s: float = 0.0
    calls: int = 0
    flags: int = 0
    ended: bool = False
    place: str = ""
    latency_ms: float = 0.0
    label: str = field(default="", repr=False)

    def gone(self, now_s: float) -> str:
        """What is wrong with it; empty where nothing is."""
        if self.ended:
            return f"{self.label} is gone."
        if self.calls and now_s - self.called_s > max(SILENT_S, 3 * PERIOD_S):
            return f"{self.label} does not answer."
        return ""
