"""Before a session: what cannot keep up is refused with its cost and with what would do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvc.errors import VoiceError
from rvc.params import Live
from rvc.realtime import startup
from rvc.realtime.ports import Passive
from rvc.realtime.session import Session
from tests.realtime.echo import Echo

LIVE = Live(pth_path=Path("slow.pth"), block_ms=40)


def slow(fixed_ms: float, per_block: float) -> Any:
    """An engine whose hops take a while: so much, and a share of their block."""

    class Slow(Echo):
        def hop(self) -> np.ndarray:
            time.sleep((fixed_ms + per_block * self.timing.block) / 1000)
            return super().hop()

    return Slow


def test_a_voice_that_would_keep_up_in_longer_blocks_is_refused_with_one() -> None:
    with pytest.raises(VoiceError, match=r"slow.pth: a block of 40 ms takes this machine") as told:
        startup.prepared(LIVE, slow(60, 0.05), force=False, hops=3)
    offered = int(told.value.hint.split("--block-ms ")[1].split()[0])
    assert offered % 20 == 0
    assert 80 <= offered <= 200
    assert "--force" in told.value.hint


def test_a_voice_for_which_no_block_would_do_is_told_so() -> None:
    with pytest.raises(VoiceError) as told:
        startup.prepared(LIVE, slow(0, 1.2), force=False, hops=3)
    assert "No block up to 500 ms would do" in told.value.hint


def test_force_starts_it_all_the_same() -> None:
    session = Session(LIVE, Passive(16000), slow(50, 0), threaded=False, force=True)
    session.start()
    assert session.figures()["head_room_ms"] == 40, "no more than a block"
    session.stop()
