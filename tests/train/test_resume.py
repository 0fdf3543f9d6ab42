"""A training that was interrupted ends exactly where one that was not would have."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import signal
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

import rvc.train.index  # noqa: F401 (so that forked processes start quickly)
from rvc import tasks
from rvc.dataset import manifest
from rvc.errors import Cancelled, Mismatch, StageFailed, StorageFailed
from rvc.params import Train
from rvc.train import checkpoint, eta, train
from rvc.train.dataset import Batch
from rvc.train.state import State
from rvc.train.step import Losses, Recipe, train_step
from tests import disk
from tests.train import tiny
from tests.train.make import clip

KILLS = 4
posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")


class StopAt:
    """A Report that asks to stop once `steps` steps are done."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, done: float, total: float, note: str = "") -> None:
        if note.startswith("Training") and done >= self.steps:
            raise Cancelled("enough")


@pytest.fixture(autouse=True)
def _show_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eta, "SHOW_EVERY_S", 0.0)
    monkeypatch.setattr(train, "STANDARD", tiny.PARTS)  # for what goes through tasks


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Every leaf of nested dicts and lists, by its path."""
    if isinstance(value, dict):
        return {k: v for key in value for k, v in flat(value[key], f"{name}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, x in enumerate(value) for k, v in flat(x, f"{name}/{i}").items()}
    return {name: value}


def assert_same_training(one: Path, two: Path) -> None:
    """Both folders hold bit-equal parameters, optimisers, counters and loss curves."""
    a, b = (flat(checkpoint.load(folder)) for folder in (one, two))
    assert a.keys() == b.keys()
    for key, value in a.items():
        equal = torch.equal(value, b[key]) if torch.is_tensor(value) else value == b[key]
        assert equal, key
    assert curve(one) == curve(two)


def curve(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["kind"] in ("epoch", "steps")]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of four epochs, never interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tiny.voice(tmp_path_factory.mktemp("straight"), patch)
        tiny.run(tiny.params(total_epoch=4))
    return folder


def test_two_and_two_epochs_are_four(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path / "twice", monkeypatch)
    tiny.run(tiny.params(total_epoch=2))
    result = tiny.run(tiny.params(total_epoch=4))
    assert (result["epoch"], result["step"]) == (4, 12)
    assert_same_training(straight, folder)


def test_stop_in_the_middle_of_epochs(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path / "stopped", monkeypatch)
    for steps in (2, 7):
        with pytest.raises(Cancelled, match=f"step {steps}") as caught:
            tiny.run(tiny.params(total_epoch=4), StopAt(steps))
        assert "same settings" in caught.value.hint
        assert tiny.saved(folder)["step"] == steps
    tiny.run(tiny.params(total_epoch=4))
    assert_same_training(straight, folder)


def test_damaged_state_goes_on_from_the_previous(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path / "damaged", monkeypatch)
    tiny.run(tiny.params(total_epoch=3))
    data = (folder / checkpoint.NAME).read_bytes()
    (folder / checkpoint.NAME).unlink()
    (folder / checkpoint.NAME).write_bytes(data[: len(data) // 2])
    tiny.run(tiny.params(total_epoch=4))
    assert_same_training(straight, folder)


def test_no_good_state_is_an_error_and_no_new_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    tiny.run(tiny.params(total_epoch=2))
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (folder / name).unlink()
        (folder / name).write_bytes(b"damaged")
    before = sorted(os.listdir(folder))
    with pytest.raises(StageFailed, match="cannot|can be read"):
        tiny.run(tiny.params(total_epoch=3))
    assert sorted(os.listdir(folder)) == before


@disk.linux
def test_disk_full_while_saving(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path / "full", monkeypatch)
    tiny.run(tiny.params(total_epoch=2))

    def fill(done: float, total: float, note: str = "") -> None:
        if done == 8:
            disk.fill(monkeypatch, checkpoint.NAME)

    with pytest.raises(StorageFailed, match="No space"):
        tasks.run("train", tiny.params(total_epoch=4), fill)
    assert tiny.saved(folder)["step"] == 6
    tiny.run(tiny.params(total_epoch=4))
    assert_same_training(straight, folder)


def train_in_child(p: Train) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        tiny.run(p)
    except Cancelled:
        os._exit(130)
    os._exit(0)


@pytest.mark.forks
@posix
def test_killed_again_and_again(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path / "killed", monkeypatch)
    p = tiny.params(total_epoch=4, save_every_minutes=1e-6)  # after every step
    fork, rng, kills = multiprocessing.get_context("fork"), random.Random(1), 0
    last = 0
    while True:
        child = fork.Process(target=train_in_child, args=(p,))
        child.start()
        child.join(0.5 + rng.random() if kills < KILLS else 120)
        if child.exitcode is not None:
            break
        child.kill()
        child.join()
        kills += 1
        saved = checkpoint.load(folder)
        step = saved["step"] if saved else 0
        assert step >= last
        last = step
    assert child.exitcode == 0
    assert_same_training(straight, folder)


@pytest.mark.forks
@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    p = tiny.params(total_epoch=400, save_every_epoch=100)
    child = multiprocessing.get_context("fork").Process(target=train_in_child, args=(p,))
    child.start()
    while not (folder / "metrics.jsonl").exists() or not curve(folder):
        time.sleep(0.05)
    assert child.pid is not None
    os.kill(child.pid, number)
    asked_s = time.monotonic()
    child.join(20)
    assert child.exitcode == 130
    assert time.monotonic() - asked_s < 5
    assert tiny.saved(folder)["step"] >= 3


@pytest.mark.parametrize(
    ("change", "word", "steps"),
    [
        ({"batch_size": 1}, "batch size was 2 and is now 1", 12),
        ({"batch_size": 4}, "batch size was 2 and is now 4", 3),
        ({"balance": 3}, "balance was 10 and is now 3", 6),
    ],
)
def test_another_batch_size_or_balance_goes_on_with_a_note(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    word: str,
    steps: int,
) -> Any:
    folder = tiny.voice(tmp_path, monkeypatch, clips=6, speakers=2)
    with pytest.raises(Cancelled):
        tiny.run(tiny.params(total_epoch=2), StopAt(4))  # in the middle of an epoch
    learnt = tiny.saved(folder)["g"]["dec.conv_pre.bias"]
    seen = []

    def step(s: Any, batch: Any, recipe: Any) -> Any:
        seen.append(s.g.dec.conv_pre.bias.detach().clone())
        return train_step(s, batch, recipe)

    result = tiny.run(tiny.params(total_epoch=2, **change), step=step)
    assert torch.equal(seen[0], learnt), "what was learnt is kept"
    assert (result["epoch"], result["step"]) == (2, 4 + 2 * steps)
    assert word in caplog.text
    assert "Epoch 1 begins again" in caplog.text
    caplog.clear()
    assert tiny.run(tiny.params(total_epoch=3, **change))["epoch"] == 3
    assert "difference" not in caplog.text, "said once"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 5}, "seed was 1234 and is now 5"),
        ({"vocoder": "MRF HiFi-GAN"}, "vocoder was 'HiFi-GAN' and is now 'MRF HiFi-GAN'"),
    ],
)
def test_another_recipe_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], word: str
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    tiny.run(tiny.params(total_epoch=1))
    before = (folder / checkpoint.NAME).read_bytes()
    with pytest.raises(Mismatch, match=word):
        tiny.run(tiny.params(total_epoch=2, **change))
    assert (folder / checkpoint.NAME).read_bytes() == before


def test_other_data_goes_on_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    tiny.run(tiny.params(total_epoch=1))
    clip(folder, "0_1_0", f0_hz=222.0, seed=77)
    lines = (folder / "filelist.txt").read_text().splitlines()
    kept = [line for line in lines if "0_3_0" not in line]
    (folder / "filelist.txt").write_text("\n".join([*kept, clip(folder, "0_9_0")]))
    extracted = manifest.require(folder, "extract")
    extracted.outputs.append("0_9_0")
    manifest.record(folder, extracted)
    assert tiny.run(tiny.params(total_epoch=2))["epoch"] == 2
    for words in ("1 clips added (0_9_0)", "1 clips removed (0_3_0)", "1 clips changed (0_1_0)"):
        assert words in caplog.text


def test_a_further_speaker_joins_a_saved_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    folder = tiny.voice(tmp_path, monkeypatch)
    tiny.run(tiny.params(total_epoch=1))
    before = tiny.saved(folder)
    lines = (folder / "filelist.txt").read_text().splitlines()
    lines += [clip(folder, f"1_{i}_0", f0_hz=222.0, speaker=1, seed=i) for i in range(3)]
    (folder / "filelist.txt").write_text("\n".join(lines))
    extracted = manifest.require(folder, "extract")
    extracted.outputs += [f"1_{i}_0" for i in range(3)]
    manifest.record(folder, extracted)
    rows = []

    def step(s: Any, batch: Any, recipe: Any) -> Any:
        rows.append(s.g.emb_g.weight.detach().clone())
        return train_step(s, batch, recipe)

    assert tiny.run(tiny.params(total_epoch=2), step=step)["epoch"] == 2
    assert torch.equal(rows[0][0], before["g"]["emb_g.weight"][0])
    assert rows[0].shape[0] == 2
    assert len(tiny.saved(folder)["g"]["emb_g.weight"]) == 2


@pytest.mark.parametrize("written", ["relative", "absolute", "by Applio"])
def test_a_renamed_experiment_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    listed = (folder / "filelist.txt").read_text()
    home = {"relative": "", "absolute": f"{folder}/", "by Applio": "logs/v/"}[written]
    (folder / "filelist.txt").write_text(listed.replace(f"{folder}/", home))
    tiny.run(tiny.params(total_epoch=1))
    folder.rename(folder.with_name("w"))
    assert tiny.run(tiny.params(total_epoch=2, model_name="w"))["epoch"] == 2


def test_what_was_read_to_go_on_is_not_kept_beside_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.voice(tmp_path, monkeypatch)
    tiny.run(tiny.params(total_epoch=1))
    real, read, alive = checkpoint.load, [], []

    def load(folder: Path) -> dict[str, Any] | None:
        saved = real(folder)
        assert saved is not None
        read.append(weakref.ref(saved["g"]["emb_g.weight"]))
        return saved

    def step(s: State, batch: Batch, recipe: Recipe) -> Losses:
        gc.collect()
        alive.append(read[0]() is not None)
        return train_step(s, batch, recipe)

    monkeypatch.setattr(checkpoint, "load", load)
    tiny.run(tiny.params(total_epoch=2), step=step)
    assert alive == [False] * 3


@disk.linux
def test_disk_full_while_exporting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.voice(tmp_path, monkeypatch)
    disk.fill(monkeypatch, "G_3.pth")
    with pytest.raises(StorageFailed, match="No space"):
        tasks.run("train", tiny.params())
    assert tiny.saved(folder)["step"] == 3
    assert tiny.run(tiny.params())["step"] == 6
    assert not list(folder.glob("*.part")) + list(folder.glob(".*.part"))
