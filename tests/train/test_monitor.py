"""Each rule of the monitor, by injecting the fault it is there for; and no rule in good health."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
import torch
from torch import nn

from rvc.errors import StageFailed
from rvc.train.monitor import WINDOW, Monitor
from rvc.train.plausibility import (
    STOP_AFTER,
    ParameterWatch,
    Verdict,
    batch_statistics,
    operations_per_s,
    shortest_step_s,
)


class Lines(list[dict[str, Any]]):
    def __call__(self, kind: str, step: int, epoch: int, **values: Any) -> None:
        self.append(json.loads(json.dumps({"kind": kind, "step": step, **values})))

    def rules(self) -> list[str]:
        return [line["rule"] for line in self if line["kind"] == "finding"]


@pytest.fixture
def lines() -> Lines:
    return Lines()


def feed(monitor: Monitor, steps: int, start: int = 1, **faults: Any) -> list[Verdict]:
    """Healthy numbers with some replaced; returns the verdicts."""
    chance = random.Random(start)
    out = []
    for step in range(start, start + steps):
        good: dict[str, Any] = {
            "losses": {"d": 3 + chance.random(), "mel": 20 + chance.random()},
            "norms": {"d": 5 + chance.random(), "g": 50 + chance.random()},
            "clips": ["0_1_2", "0_3_4"],
            "voiced": 0.6,
            "spread": 0.4,
        }
        out.append(monitor.step(step, 1, **(good | faults)))
    return out


def test_health_finds_nothing(lines: Lines) -> None:
    monitor = Monitor(lines)
    sentence = monitor.before(200, 10.0, 25, 0.4)
    assert sentence == "200 clips, 10.0 min, 25 steps per epoch, about 10.0 s per epoch."
    assert set(feed(monitor, 200)) == {Verdict.OK}
    monitor.epoch(200, 1, 9.0, moving=0.98)
    assert lines.rules() == []
    assert monitor.report() == {"findings": [], "skipped_steps": 0}
    assert lines[0]["expected_epoch_s"] == 10.0


@pytest.mark.parametrize("bad", [math.inf, math.nan])
@pytest.mark.parametrize("where", ["losses", "norms"])
def test_not_finite_skips_then_rolls_back_then_stops(
    bad: float, where: str, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor(lines)
    fault: dict[str, Any] = {where: {"d": 1.0, "g": bad}}
    verdicts = feed(monitor, STOP_AFTER, 1, **fault)
    assert verdicts[:3] == [Verdict.SKIP, Verdict.SKIP, Verdict.ROLLBACK]
    assert verdicts.count(Verdict.ROLLBACK) == 3
    assert verdicts[-1] is Verdict.STOP
    assert verdicts.index(Verdict.STOP) == STOP_AFTER - 1
    failure = monitor.failure()
    assert isinstance(failure, StageFailed)
    assert "0_1_2" in failure.message
    assert " g " in failure.message
    assert "0_1_2" in caplog.text
    assert monitor.report()["skipped_steps"] == STOP_AFTER


def test_a_good_step_ends_the_count(lines: Lines) -> None:
    monitor = Monitor(lines)
    for start in range(0, 60, 3):
        assert feed(monitor, 2, start, losses={"mel": math.nan}) == [Verdict.SKIP] * 2
        assert feed(monitor, 1, start + 2) == [Verdict.OK]


def test_rolling_back_to_the_same_fault_again_and_again_ends(lines: Lines) -> None:
    monitor = Monitor(lines)
    verdicts = []
    for _ in range(40):
        verdicts += feed(monitor, 2) + feed(monitor, 3, losses={"mel": math.inf})
        if verdicts[-1] is Verdict.STOP:
            break
    assert verdicts[-1] is Verdict.STOP


def test_a_gradient_scaler_may_look_for_its_scale(lines: Lines) -> None:
    monitor = Monitor(lines, scaled=True)
    assert set(feed(monitor, 15, norms={"g": math.inf})) == {Verdict.SKIP}
    assert lines.rules() == []
    assert feed(monitor, 100, norms={"g": math.inf})[-1] is Verdict.STOP
    other = Monitor(lines, scaled=True)
    assert feed(other, 3, losses={"g": math.inf})[-1] is Verdict.ROLLBACK


def test_zero_gradients(lines: Lines) -> None:
    monitor = Monitor(lines)
    assert Verdict.STOP not in feed(monitor, WINDOW, norms={"d": 3.0, "g": 0.0})
    assert lines.rules() == ["zero_gradient_g"]
    monitor = Monitor(lines)
    verdicts = feed(monitor, WINDOW, norms={"d": 0.0, "g": 0.0})
    assert verdicts[-1] is Verdict.STOP
    assert "No gradient" in monitor.failure().message


def test_empty_features_stop_and_unvoiced_batches_warn(lines: Lines) -> None:
    monitor = Monitor(lines)
    verdicts = feed(monitor, WINDOW, spread=0.0)
    assert verdicts[:-1] == [Verdict.OK] * (WINDOW - 1)
    assert verdicts[-1] is Verdict.STOP
    assert "hold no content" in monitor.failure().message
    monitor = Monitor(lines)
    assert set(feed(monitor, WINDOW, voiced=0.0)) == {Verdict.OK}
    assert lines.rules()[-1] == "unvoiced"


def test_a_loss_that_does_not_move(lines: Lines) -> None:
    feed(Monitor(lines), WINDOW, losses={"mel": 21.5})
    assert lines.rules() == ["loss_still_mel"]


@pytest.mark.parametrize(
    ("seconds", "rule"), [(1.9, "epoch_too_fast"), (45.0, "epoch_too_slow"), (9.0, None)]
)
def test_epoch_time_against_the_warm_up(seconds: float, rule: str | None, lines: Lines) -> None:
    monitor = Monitor(lines)
    monitor.before(100, 5.0, 20, 0.5)
    monitor.epoch(20, 1, seconds)
    assert lines.rules() == ([rule] if rule else [])


def test_a_finding_is_told_once_counted_always_and_has_a_hint(lines: Lines) -> None:
    monitor = Monitor(lines)
    monitor.before(100, 5.0, 20, 0.5)
    for epoch in range(5):
        monitor.epoch(20 * epoch, epoch, 0.1)
    assert lines.rules() == ["epoch_too_fast"]
    found = monitor.report()["findings"][0]
    assert found["count"] == 5
    assert found["sentence"].endswith(".")
    assert found["hint"]


def learn(network: nn.Module, steps: int = 1, rate: float = 0.1) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), rate)
    for _ in range(steps):
        optimiser.zero_grad()
        network(torch.randn(4, 8)).pow(2).mean().backward()
        optimiser.step()


def test_frozen_parameters_are_seen(lines: Lines) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    watch, monitor = ParameterWatch([network]), Monitor(lines)
    learn(network)
    monitor.epoch(1, 1, 1.0, watch.moving())
    assert lines.rules() == []
    learn(network, rate=0.0)
    assert watch.moving() == 0.0
    network[0].requires_grad_(False)
    learn(network)
    monitor.epoch(2, 2, 1.0, watch.moving())
    assert lines.rules() == []
    learn(network, rate=0.0)
    monitor.epoch(3, 3, 1.0, watch.moving())
    assert lines.rules() == ["parameters_frozen"]
    assert "0%" in monitor.report()["findings"][0]["sentence"]


def test_content_of_batches_ignores_the_padding() -> None:
    phone = torch.zeros(2, 10, 4)
    f0 = torch.zeros(2, 10)
    assert batch_statistics(phone, f0, torch.tensor([10, 5])) == (0.0, 0.0)
    phone[:, ::2] = 2.0
    f0[0, :5] = 100.0
    f0[1, 5:] = 100.0  # padding
    voiced, spread = batch_statistics(phone, f0, torch.tensor([10, 4]))
    assert voiced == pytest.approx(5 / 14)
    assert spread == pytest.approx(1.0, abs=1e-3)


def test_a_stubbed_forward_is_faster_than_the_machine_could_be(lines: Lines) -> None:
    """The stub is there from the first step, so the warm-up cannot tell; arithmetic can."""
    network = nn.Sequential(*(nn.Linear(1024, 1024) for _ in range(8)))
    floor = shortest_step_s([network], 8, 400, "cpu")
    assert floor > 0
    assert operations_per_s("cpu") > 1e8
    monitor = Monitor(lines)
    monitor.before(100, 5.0, 20, floor / 50, floor)
    assert lines.rules() == ["implausible_step"]
    monitor.epoch(20, 1, 20 * floor / 50)
    assert "epoch_too_fast" in lines.rules()
    monitor = Monitor(honest := Lines())
    monitor.before(100, 5.0, 20, floor * 3, floor)
    assert honest.rules() == []
