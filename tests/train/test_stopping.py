"""A stop that cannot wait: saves by the clock where steps are slow, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rvc.train import step, stopping
from rvc.train.dataset import Batch
from rvc.train.state import State
from rvc.train.step import Losses, Recipe
from tests.train import tiny

MINUTES_15 = 900.0


@pytest.mark.parametrize("save_s", [0.1, 1.0, 5.0, 30.0])
@pytest.mark.parametrize("step_s", [0.05, 2.0, 16.0, 60.0])
def test_saving_costs_little_and_slow_steps_are_saved_every_few_minutes(
    step_s: float, save_s: float
) -> None:
    after_s = stopping.save_after_s(step_s, save_s, MINUTES_15)
    assert save_s / after_s <= max(0.02, save_s / MINUTES_15) + 1e-9
    assert after_s <= MINUTES_15
    if step_s > stopping.PATIENCE_S and save_s < 2:
        assert after_s <= 120
    if step_s + save_s < 1:
        assert after_s == MINUTES_15  # a stop waits for such a step and its save
    assert stopping.save_after_s(step_s, save_s, 0.0) == float("inf")


def test_a_training_killed_in_a_slow_step_says_what_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    monkeypatch.setattr(stopping, "PATIENCE_S", -1.0)  # every step is a slow one
    monkeypatch.setattr(stopping, "SLOW_SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(stopping, "SAVING_SHARE", 1e9)
    real, told = step.train_step, []

    def killed_in_step_5(s: State, batch: Batch, recipe: Recipe) -> Losses:
        if s.step == 4:
            raise KeyboardInterrupt
        return real(s, batch, recipe)

    with pytest.raises(KeyboardInterrupt):
        tiny.run(tiny.params(total_epoch=2), lambda *said: told.append(said), step=killed_in_step_5)
    assert tiny.saved(folder)["step"] == 4
    _, _, note = next(t for t in reversed(told) if stopping.PHASE in t[2])
    assert stopping.repeated(folder, note, 4) == (
        "Step 4 of epoch 2 is saved; only the step under way will be done again."
    )
    assert "the 2 steps after it and the one under way" in stopping.repeated(folder, note, 6)
    assert stopping.repeated(folder, "extract: fcpe", 4) == ""
    assert stopping.repeated(tmp_path, note, 4) == ""
