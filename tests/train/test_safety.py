"""When numbers go wrong: steps are skipped, the training goes back, and at last it stops."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from rvc.device import choose
from rvc.errors import StageFailed
from rvc.train import batch_size, build, checkpoint, train
from rvc.train.dataset import Batch
from rvc.train.distributed import Ranks
from rvc.train.material import material
from rvc.train.state import State
from rvc.train.step import Losses, Recipe, train_step
from rvc.train.trainer import TrainStep
from tests.train import tiny


def spoilt(bad: Callable[[int, int], bool], calls: list[int] | None = None) -> TrainStep:
    """A step whose sound is infinite where `bad(call number, attempt)` says so."""
    calls = [] if calls is None else calls

    def step(s: State, batch: Batch, recipe: Recipe) -> Losses:
        calls.append(s.step)
        if bad(len(calls), s.attempt):
            batch.wave[:, 50:] = float("inf")
        return train_step(s, batch, recipe)

    return step


def finite(folder: Path) -> bool:
    return all(torch.isfinite(v).all() for v in tiny.saved(folder)["g"].values())


def test_one_bad_step_is_skipped_and_its_clips_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    step = spoilt(lambda call, attempt: call == 2)
    with caplog.at_level(logging.WARNING):
        result = tiny.run(tiny.params(), step=step)
    assert (result["step"], result["skipped_steps"]) == (6, 1)
    assert "clips 0_" in caplog.text
    assert finite(folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert any(json.loads(line).get("rule") == "not_finite" for line in lines)


def test_bad_first_steps_go_back_to_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    calls: list[int] = []
    step = spoilt(lambda call, attempt: attempt == 0, calls)
    result = tiny.run(tiny.params(), step=step)
    assert calls == [0, 1, 2, 0, 1, 2, 3, 4, 5]
    assert result["step"] == 6
    assert finite(folder)


def test_a_training_that_learnt_nothing_binds_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    with pytest.raises(StageFailed):
        tiny.run(tiny.params(), step=spoilt(lambda call, attempt: True))
    assert tiny.saved(folder)["step"] == 0
    assert tiny.run(tiny.params(batch_size=3))["step"] == 4


def test_three_bad_steps_go_back_to_the_last_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    calls: list[int] = []
    step = spoilt(lambda call, attempt: call >= 4 and attempt == 0, calls)
    result = tiny.run(tiny.params(), step=step)
    assert calls == [0, 1, 2, 3, 4, 5, 3, 4, 5]  # back to the end of the first epoch
    assert result["step"] == 6
    assert tiny.saved(folder)["attempt"] == 1
    assert finite(folder)


def test_hopeless_training_stops_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    with pytest.raises(StageFailed, match="not finite"):
        tiny.run(tiny.params(total_epoch=9), step=spoilt(lambda call, attempt: True))
    assert not (folder / checkpoint.NAME).exists() or finite(folder)


def test_an_epoch_without_a_good_step_hands_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch, clips=4)  # two steps per epoch: no roll back
    step = spoilt(lambda call, attempt: call > 2)
    with pytest.raises(StageFailed, match="Every step of epoch 2 was skipped"):
        tiny.run(tiny.params(total_epoch=2), step=step)
    assert [file.name for file in folder.glob("v_*e_*.pth")] == ["v_1e_2s.pth"]
    assert tiny.saved(folder)["step"] == 2
    assert tiny.run(tiny.params(total_epoch=2))["step"] == 4


def test_batch_size_is_found_by_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    p = tiny.params(batch_size=0)
    m = material(p, folder)
    chosen = choose("-")
    recipe = build.recipe(p, m, chosen, Ranks())

    def find(free_bytes: float, clips: int = 100) -> int:
        monkeypatch.setattr(batch_size, "_free", lambda device: free_bytes)
        make = partial(build.networks, p, m, chosen, 1, tiny.PARTS)
        return batch_size.largest(make, recipe, m.embed_width, clips)

    monkeypatch.setattr(batch_size, "_peak", lambda s, r, w, size: 1e8 + 5e7 * size)
    assert find(1e9) == 8
    assert find(1e9, clips=3) == 3
    assert find(4e8) == 4  # 85 % of 400 MB hold 100 MB and four times 50 MB
    assert find(1e8) == 1


class SecondOfTwo(Ranks):
    """A rank whose partner found a batch of 3, and that must not wait for it before."""

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        raise AssertionError("a collective inside a trial")

    def gather(self, value: Any) -> list[Any]:
        return [3, value]


def test_each_rank_tries_batch_sizes_alone_and_the_smallest_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch, clips=12)
    p, chosen = tiny.params(batch_size=0), choose("-")
    m = material(p, folder)
    recipe = build.recipe(p, m, chosen, SecondOfTwo(1, 2, 1))

    def largest(make: Callable[[], State], recipe: Recipe, width: int, clips: int) -> int:
        batch = batch_size._batch(recipe, width, 1)
        train_step(make(), batch, recipe)
        return 6

    parts = replace(tiny.PARTS, largest_batch=largest)
    assert train._with_batch(p, m, recipe, chosen, None, parts).batch_size == 3


def test_batch_size_of_the_saved_training_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    tiny.run(tiny.params(batch_size=0, total_epoch=1))
    found = tiny.saved(folder)["identity"]["batch_size"]
    assert 1 <= found <= 6
    tiny.run(tiny.params(batch_size=0, total_epoch=2), largest_batch=lambda *_: 5)
    assert tiny.saved(folder)["identity"]["batch_size"] == found
