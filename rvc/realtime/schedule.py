"""How late is late: head room for the computation, and steps where it does not suffice."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from rvc.params import Live
from rvc.params.live import Timing

SPARE_MS, LEAST_MS = 10, 30
LATE, WITHIN_S = 3, 5.0  # late hops that make it take a step
CLEAN_S = 60.0  # without one until it takes a step back
STEP_MS = 10
LONGEST_BLOCK_MS = 320
REMEMBERED = 512


@dataclass(frozen=True)
class Pace:
    """What a session keeps to, in ms.

    Attributes:
        block: made at a time. look_ahead: waited for behind it.
        head_room: from when a block is heard until it must play.
        least: delay that is asked for in any case.
    """

    block: int
    look_ahead: int
    head_room: int
    least: int = 0

    @property
    def delay(self) -> int:
        """From a sound heard to the same sound played, without devices."""
        return max(self.block + self.look_ahead + self.head_room, self.least)


def head_room_ms(costs_ms: list[float], block_ms: int) -> int:
    """Enough for all but the rarest hops, no more than a block."""
    rare = float(np.percentile(costs_ms, 99)) if costs_ms else block_ms / 2
    return int(np.clip(round(rare) + SPARE_MS, min(LEAST_MS, block_ms), block_ms))


class Schedule:
    """Takes notes of late hops, and lengthens the delay where there are too many.

    Args:
        costs_ms: of hops that were tried beforehand.

    Attributes:
        steps: sentences about what was changed, oldest first.
    """

    def __init__(self, live: Live, costs_ms: list[float]) -> None:
        self.costs_ms: deque[float] = deque(maxlen=REMEMBERED)
        self.steps: deque[str] = deque(maxlen=32)
        self.late_at: deque[float] = deque(maxlen=LATE)
        self.late = self.skipped_ms = 0
        self.quiet_since: float | None = None
        self.begin(live, costs_ms)

    def begin(self, live: Live, costs_ms: list[float]) -> None:
        """What the settings say, and nothing learnt."""
        timing: Timing = live.timing
        room = live.head_room_ms or head_room_ms(costs_ms, timing.block)
        self.fixed = live.constant_delay
        self.pace = Pace(timing.block, timing.look_ahead, room, live.minimum_delay_ms)
        self.nominal = self.pace

    def note(self, cost_ms: float) -> None:
        self.costs_ms.append(cost_ms)

    def was_late(self, now_s: float) -> None:
        """A hop was not there in time."""
        self.late += 1
        self.late_at.append(now_s)
        self.quiet_since = now_s
        if self.fixed or len(self.late_at) < LATE or now_s - self.late_at[0] > WITHIN_S:
            return
        self.late_at.clear()
        pace = self.pace
        if pace.head_room < pace.block:
            self._step(replace(pace, head_room=min(pace.block, pace.head_room + STEP_MS)))
        elif pace.block < LONGEST_BLOCK_MS:
            self._step(replace(pace, block=min(2 * pace.block, LONGEST_BLOCK_MS)))
        else:
            self.steps.append("This machine is too slow for this voice, or busy with other work.")

    def look_back(self, now_s: float) -> None:
        """Undo a step where all went well for long."""
        if self.pace == self.nominal or self.quiet_since is None:
            return
        if now_s - self.quiet_since < CLEAN_S:
            return
        self.quiet_since, pace, aim = now_s, self.pace, self.nominal
        if pace.block > aim.block:
            block = max(aim.block, pace.block // 40 * 20)
            self._step(replace(pace, block=block, head_room=min(block, pace.head_room)))
        else:
            self._step(replace(pace, head_room=max(aim.head_room, pace.head_room - STEP_MS)))

    def _step(self, pace: Pace) -> None:
        self.steps.append(
            f"Delay {self.pace.delay} -> {pace.delay} ms: "
            f"block {pace.block} ms, head room {pace.head_room} ms."
        )
        self.pace = pace

    def figures(self) -> dict[str, object]:
        """JSON-ready."""
        p50, p95, most = np.percentile(list(self.costs_ms) or [0.0], [50, 95, 100]).round(1)
        return {
            "block_ms": self.pace.block,
            "look_ahead_ms": self.pace.look_ahead,
            "head_room_ms": self.pace.head_room,
            "delay_ms": self.pace.delay,
            "cost_p50_ms": float(p50),
            "cost_p95_ms": float(p95),
            "cost_most_ms": float(most),
            "late": self.late,
            "skipped_ms": self.skipped_ms,
            "steps": list(self.steps),
        }
