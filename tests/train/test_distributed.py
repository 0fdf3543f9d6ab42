"""Several processes train one voice as one process with the larger batch would."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
import torch.distributed as dist

from rvc import silent
from rvc.device import Device, choose
from rvc.errors import Cancelled, Mismatch, StageFailed
from rvc.nets.layers import Noise
from rvc.train import build, distributed, launch, train
from rvc.train.distributed import Ranks
from rvc.train.launch import Exchange
from rvc.train.material import material
from rvc.train.stopping import StopSignals
from tests.train import tiny
from tests.train.test_resume import curve

ROOT = Path(__file__).parents[2]
GPUS = Device(torch.device("cpu"), torch.float32, "two of them", (0, 1))
pytestmark = pytest.mark.skipif(os.name != "posix", reason="torchrun with gloo needs POSIX")


def torchrun(home: Path, processes: int, **options: Any) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    line += [f"--nproc-per-node={processes}", "-m", "tests.train.two_ranks"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*line, str(home), json.dumps(options)],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def alone(home: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """The same training in this process."""
    monkeypatch.setenv("RVC_HOME", str(home))
    return tiny.run(tiny.params(**options))


def test_two_ranks_equal_one_process_with_the_double_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.voice(tmp_path / "1", monkeypatch, clips=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Noise, "normal", lambda self, like: torch.zeros_like(like))
        patch.setattr(torch, "rand", lambda shape, **rest: torch.full(shape, 0.5))
        alone(tmp_path / "1", monkeypatch, batch_size=4, total_epoch=2)
    tiny.voice(tmp_path / "2", monkeypatch, clips=8)
    done = torchrun(tmp_path / "2", 2, batch_size=2, total_epoch=2, calm=True)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (curve(tmp_path / f"{n}/logs/v") for n in (1, 2))
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        for name in ("d", "adv", "fm", "mel", "kl", "total", "norm_d", "norm_g"):
            assert b[name] == pytest.approx(a[name], rel=1e-4), name
    ranks = [json.loads((tmp_path / f"2/rank{n}.json").read_text()) for n in (0, 1)]
    assert ranks[0] == ranks[1]


def test_gradients_travel_in_messages_of_one_kind_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tensor gets its own mean back, whichever message it was packed into."""
    monkeypatch.setattr(distributed, "CHUNK_VALUES", 100)
    sizes = [(7, 9), (250,), (1,), (3, 3, 3), (80,), (0,), (120, 2)]
    kinds = [torch.float32, torch.bfloat16]
    tensors = [torch.randn(size).to(kind) for kind in kinds for size in sizes]
    expected = [tensor.clone() / 2 for tensor in tensors]
    dist.init_process_group("gloo", f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        Ranks(0, 2).average(iter(tensors))  # the other rank's gradients are zero
    finally:
        dist.destroy_process_group()
    assert all(torch.equal(a, b) for a, b in zip(tensors, expected, strict=True))


def test_a_killed_rank_ends_all_and_the_state_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch, clips=8)
    done = torchrun(tmp_path, 2, batch_size=2, total_epoch=50, kill_rank=1, save_every_minutes=1e-6)
    assert done.returncode != 0
    step = tiny.saved(folder)["step"]
    assert 0 < step < 100
    result = alone(tmp_path, monkeypatch, batch_size=4, total_epoch=step // 2 + 1)
    assert result["step"] > step


@pytest.mark.parametrize("by", ["signal", "report"])
def test_a_stopped_training_on_several_processes_is_saved_and_called_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """A signal is what `kill` sends; the report is how a job is cancelled on any system."""
    folder = tiny.voice(tmp_path, monkeypatch, clips=8)
    options = json.dumps({"batch_size": 2, "total_epoch": 500, "save_every_minutes": 1e-6})

    def rank(exchange: Exchange) -> list[str]:
        return ["-m", "tests.train.two_ranks", str(tmp_path), options, str(exchange.folder)]

    def stop_when_it_runs() -> None:
        while not (folder / "state.pt").is_file():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    others = set(psutil.Process().children())  # of other tests
    if by == "signal":
        threading.Thread(target=stop_when_it_runs, daemon=True).start()
    shown = []

    def report(done: float, total: float, note: str = "") -> None:
        shown.append((done, total, note))
        if by == "report":
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match=r"Stopped\. Step \d+ of epoch \d+ is saved\."):
        launch.torchrun(tiny.params(), GPUS, folder, report, rank)
    assert 0 < tiny.saved(folder)["step"] < 1000
    if by == "report":
        assert shown[0][1] == 500 * 2
        assert shown[0][2].startswith("Training | epoch ")
    left = set(psutil.Process().children()) - others
    assert all(p.status() == psutil.STATUS_ZOMBIE for p in left)


@pytest.mark.parametrize(
    ("outside", "numbers", "inside"),
    [
        (None, (0, 1), "0,1"),
        ("", (1, 2), "1,2"),
        ("2,3", (0, 1), "2,3"),
        ("7, 4,5", (2, 0), "5,7"),
        ("GPU-8932f937,GPU-1b2c,MIG-4a5f", (1, 2), "GPU-1b2c,MIG-4a5f"),
    ],
)
def test_gpus_are_counted_among_those_a_scheduler_left(
    outside: str | None, numbers: tuple[int, int], inside: str
) -> None:
    given = {} if outside is None else {launch.VISIBLE: outside}
    assert launch.visible(numbers, given) == {launch.VISIBLE: inside}
    if outside:
        amd = {launch.VISIBLE_AMD: outside, launch.VISIBLE: "0"}
        assert launch.visible(numbers, amd) == {launch.VISIBLE_AMD: inside}


def test_several_gpus_of_a_kind_without_a_way_to_share_are_refused(tmp_path: Path) -> None:
    intel = Device(torch.device("cpu"), torch.float32, "Intel", (0, 1))
    object.__setattr__(intel, "device", SimpleNamespace(type="xpu"))
    with pytest.raises(Mismatch, match="several XPU GPUs"):
        launch.torchrun(tiny.params(), intel, tmp_path, silent)


class OneOfTwo(Ranks):
    """A rank that hears what the other one would say."""

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            tensor += float("nan")

    def gather(self, value: Any) -> list[Any]:
        return [value, (False, ["9_9_9"])] if value[0] else [value, (True, ["9_9_9"])]


@pytest.mark.parametrize("own", [1.0, math.inf])
def test_a_bad_loss_is_laid_to_the_rank_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: float
) -> None:
    folder = tiny.voice(tmp_path, monkeypatch, clips=4)
    p, chosen = tiny.params(), choose("-")
    m = material(p, folder)
    recipe = build.recipe(p, m, chosen, OneOfTwo(0, 2, 0))
    s = build.networks(p, m, chosen, 1, tiny.PARTS)
    with StopSignals() as stop:
        run = train._trainer(p, m, folder, recipe, s, {}, silent, stop, (), tiny.PARTS)
        losses = {"mel": torch.tensor(own), "norm_d": torch.tensor(1.0)}
        found, numbers = run._numbers(losses)
        names = run._suspects([0, 1], found, numbers)
    clips = [clip.name for clip in m.learn[:2]]
    assert names == (clips if own == math.inf else ["9_9_9"])


def test_errors_and_progress_reach_the_starter(tmp_path: Path) -> None:
    exchange, heard = Exchange(tmp_path), []
    exchange.relay(lambda *said: heard.append(said))
    exchange.report(3, 10, "Training | epoch 1/2")
    exchange.relay(lambda *said: heard.append(said))
    assert heard == [(3.0, 10.0, "Training | epoch 1/2")]
    assert not exchange.stop_wanted

    def stop(done: float, total: float, note: str = "") -> None:
        raise Cancelled("enough")

    exchange.relay(stop)
    assert exchange.stop_wanted
    with pytest.raises(Cancelled):
        exchange.report(4, 10)
    exchange.fail(0, Cancelled("Stopped."))
    assert exchange.cause() is None
    exchange.fail(1, StageFailed("Step 7: the loss mel is not finite.", "Listen."))
    cause = exchange.cause()
    assert isinstance(cause, StageFailed)
    assert (cause.message, cause.hint) == ("Step 7: the loss mel is not finite.", "Listen.")


def test_one_process_opens_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    import torch.distributed

    def refuse(*_: object, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(torch.distributed, "init_process_group", refuse)
    tiny.voice(tmp_path, monkeypatch, clips=4)
    assert tiny.run(tiny.params(total_epoch=1))["step"] > 0
