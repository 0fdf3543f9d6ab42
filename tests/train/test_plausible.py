"""Faults injected into a real training: each is found, named, recorded, and ends as it should."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.adamw import AdamW

from rvc import device
from rvc.errors import StageFailed
from rvc.nets.config import VoiceSettings
from rvc.train import eta, losses, monitor, plausibility, step
from rvc.train.dataset import Batch
from rvc.train.state import State
from rvc.train.step import Losses, Recipe
from tests.train import tiny


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(monitor, "WINDOW", 4)
    return tiny.voice(home, monkeypatch, clips=8)


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["kind"] == "finding"]


def rules(found: Iterable[dict[str, Any]]) -> set[str]:
    return {f["rule"] for f in found}


def train(parts: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    p = tiny.params(**({"total_epoch": 2, "batch_size": 2} | options))
    return tiny.run(p, **(parts or {}))


def test_a_healthy_training_finds_nothing(folder: Path) -> None:
    result = train(total_epoch=1)
    serious = {"not_finite", "zero_gradients", "parameters_frozen", "empty_features"}
    assert not serious & rules(result["findings"])
    noted = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    plan = next(e for e in noted if e["kind"] == "plan")
    assert (plan["clips"], plan["steps_per_epoch"]) == (8, 4)
    assert plan["minutes"] == pytest.approx(8 / 60, abs=0.02)
    assert plan["expected_epoch_s"] > 0
    assert (plan["machine"], plan["device"], plan["devices"]) == (device.machine(), "cpu", 1)
    assert (plan["vocoder"], plan["sample_rate"]) == ("HiFi-GAN", 40000)


def infect(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]) -> list[int]:
    """Losses become infinite in the steps for which `when(step)` holds."""
    real = losses.kl_loss
    steps = []

    def kl_loss(*args: torch.Tensor) -> torch.Tensor:
        steps.append(1)
        loss = real(*args)
        return loss * math.inf if when(len(steps)) else loss

    monkeypatch.setattr(losses, "kl_loss", kl_loss)
    return steps


def test_one_infinite_loss_is_skipped_and_its_clips_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infect(monkeypatch, lambda step: step == 3)
    result = train()
    assert result["skipped_steps"] == 1
    found = [f for f in result["findings"] if f["rule"] == "not_finite"]
    assert found[0]["count"] == 1
    assert found[0]["hint"]
    named = found[0]["values"]["clips"]
    assert len(named) == 2
    assert all(name in found[0]["sentence"] for name in named)
    assert "not_finite" in rules(events(folder))
    voice = torch.load(result["voice"], weights_only=True)["weight"]
    assert all(torch.isfinite(v).all() for v in voice.values())


def test_three_in_a_row_go_back_to_the_last_good_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps 6 to 8 fail; the state saved after epoch 1 (step 4) is taken up again."""
    infect(monkeypatch, lambda step: 6 <= step <= 8)
    result = train(total_epoch=3)
    assert "rolled_back" in rules(result["findings"])
    assert "rolled_back" in rules(events(folder))
    assert result["epoch"] == 3


def test_ten_in_a_row_stop_with_the_cause(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = infect(monkeypatch, lambda step: True)
    with pytest.raises(StageFailed, match=r"10 steps in a row.*not finite.*clips 0_") as failure:
        train(total_epoch=9, save_every_epoch=9)
    assert failure.value.hint
    assert len(steps) == plausibility.STOP_AFTER
    assert "not_finite_stop" in rules(events(folder))
    assert not list(folder.glob("v_*.pth"))


def test_frozen_parameters(folder: Path) -> None:
    class Frozen(AdamW):
        def step(self, *_: object, **__: object) -> None:  # type: ignore[override]
            pass

    def frozen(network: nn.Module, settings: VoiceSettings, _: object) -> AdamW:
        return Frozen(network.parameters(), settings.learning_rate)

    result = train({"optimiser": frozen}, total_epoch=1)
    found = {f["rule"]: f for f in result["findings"]}
    assert found["parameters_frozen"]["level"] == "error"
    assert found["parameters_frozen"]["values"]["moving"] == 0


def test_no_gradients_at_all(folder: Path) -> None:
    def still(s: State, batch: Batch, recipe: Recipe) -> Losses:
        return step.train_step(s, batch, recipe) | {
            "norm_d": torch.zeros(()),
            "norm_g": torch.zeros(()),
        }

    with pytest.raises(StageFailed, match="No gradient at all"):
        train({"step": still}, total_epoch=9)


def test_features_without_content(folder: Path) -> None:
    for file in (folder / "extracted").glob("*.npy"):
        np.save(file, np.ones_like(np.load(file)))
    with pytest.raises(StageFailed, match="hold no content"):
        train(total_epoch=9)
    assert "empty_features" in rules(events(folder))


def test_features_of_nothing_but_unvoiced_sound_are_mentioned(folder: Path) -> None:
    for file in (folder / "f0_voiced").glob("*.npy"):
        np.save(file, np.zeros_like(np.load(file)))
    assert "unvoiced" in rules(train(total_epoch=1)["findings"])


def test_a_training_that_is_stubbed_out_after_its_warm_up_is_too_fast(folder: Path) -> None:
    kept: list[Losses] = []

    def stub(s: State, batch: Batch, recipe: Recipe) -> Losses:
        if len(kept) < eta.MEASURED_STEPS + 1:
            kept.append(step.train_step(s, batch, recipe))
        return kept[-1]

    options = {"total_epoch": 4, "batch_size": 1, "save_every_epoch": 100}
    found = rules(train({"step": stub}, **options)["findings"])
    assert "epoch_too_fast" in found
    assert "parameters_frozen" in found
    assert any(rule.startswith("loss_still") for rule in found)
