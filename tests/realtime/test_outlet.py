"""Outputs: two clocks that disagree stay together, and positions hold."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.realtime.outlet import Outlet

RATE = 8000


@pytest.mark.parametrize("ppm", [-200, 200])
def test_clocks_that_disagree_leave_no_gap_and_keep_the_delay(ppm: int) -> None:
    outlet = Outlet(RATE, 0.2, one_clock=False)
    outlet.armed = True
    for _ in range(16):  # meanwhile block and look-ahead are heard
        outlet.pull(RATE // 100)
    owed, waiting = 0.0, []
    for hop in range(1, round(1800 / 0.08)):  # half an hour; without correction 360 ms
        heard_s = 0.08 * hop + 0.08  # look-ahead
        outlet.add(np.ones(len(outlet.moments(round(16000 * 0.08 * hop)))))
        outlet.follow(heard_s, 0.08, 0.02)
        waiting.append(outlet.ring.end - outlet.pulled)
        owed += 0.08 * RATE * (1 - ppm * 1e-6)
        outlet.pull(int(owed))
        owed -= int(owed)
    assert outlet.gaps == 0
    assert outlet.drift is not None
    assert outlet.drift.ppm == pytest.approx(ppm, abs=20)
    assert abs(np.mean(waiting[-100:]) - np.mean(waiting[:25])) < 0.005 * RATE


def test_a_longer_delay_is_made_of_silence_and_a_shorter_one_leaves_sound_out() -> None:
    outlet = Outlet(RATE, 0.1, one_clock=True)
    outlet.armed = True
    outlet.add(np.full(800, 0.5, np.float32))
    outlet.delay_to(0.2)
    outlet.add(np.full(800, 0.5, np.float32))
    sound = outlet.pull(3 * 800 + 800)
    assert np.flatnonzero(sound)[0] == 800
    assert sound[1600:2400].max() == 0
    assert sound[2500:3100].min() == 0.5
    outlet.add(np.full(800, 0.5, np.float32))
    outlet.delay_to(0.1)
    outlet.add(np.full(800, 0.5, np.float32))
    assert len(outlet.ring.read(outlet.pulled, outlet.ring.end)) == 800
    assert np.abs(np.diff(outlet.pull(800))).max() < 0.05


@pytest.mark.parametrize("stalled_s", [-1.0, 1.0])
def test_where_one_direction_stood_still_the_delay_comes_back(stalled_s: float) -> None:
    outlet = Outlet(RATE, 0.2, one_clock=False)
    outlet.armed = True
    for _ in range(16):
        outlet.pull(RATE // 100)
    heard_s, counted = 0.16, 0.0
    for hop in range(1, 60):
        if hop == 30 and stalled_s < 0:  # the microphone did
            for _ in range(100):
                outlet.pull(RATE // 100)
        outlet.add(counted + np.arange(len(outlet.moments(round(16000 * 0.08 * hop)))))
        counted += 640
        outlet.follow(heard_s, 0.08, 0.02)
        heard_s += 0.08
        if hop < 30 or hop > 42 or stalled_s < 0:  # else the output did
            sound = outlet.pull(640)
    assert outlet.jumps
    waiting = (outlet.ring.end - outlet.pulled) / RATE
    assert waiting == pytest.approx(0.2 + 0.08 - 0.16 - 0.08, abs=0.01)
    assert np.array_equal(np.diff(sound), np.ones(639)), "sound, and each of it once"
