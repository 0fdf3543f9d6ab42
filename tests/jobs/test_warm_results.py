"""What a warm process makes is what a process of its own makes, to the byte."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from rvc import jobs, params
from rvc.config import REPOSITORY
from rvc.jobs.queue import Queue
from rvc.params import Params
from rvc.tools import demo

LIMIT_S = 240.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second and a half of speech."""
    file = tmp_path_factory.mktemp("clip") / "clip.wav"
    wave, rate = soundfile.read(demo.SAMPLE)
    soundfile.write(file, wave[: round(1.5 * rate)], rate)
    return file


@pytest.fixture
def queue(home: Path) -> Iterator[Queue]:
    with jobs.serving() as opened:
        yield opened
        for job in jobs.listing():
            jobs.cancel(job["id"], grace_s=0)


def infer(clip: Path, target: Path, **more: Any) -> params.Infer:
    values: dict[str, Any] = {"input_path": clip, "output_path": target, "pth_path": demo.VOICE}
    return params.Infer(**values, gpu="-", f0_method="fcpe", seed=3, **more)


def wait(job: str, said: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """What a job says once it says so."""
    end = time.monotonic() + LIMIT_S
    while not said(now := jobs.read(job)):
        assert time.monotonic() < end, now
        time.sleep(0.02)
    return now


def result(verb: str, p: Params) -> dict[str, Any]:
    now = wait(jobs.start(verb, p), lambda job: job["state"] in jobs.FINISHED)
    assert now["state"] == "done", now
    found: dict[str, Any] = now["result"]
    return found


def test_the_same_bytes_cold_and_warm_whatever_came_between(
    home: Path, clip: Path, queue: Queue
) -> None:
    words = ["infer", "--input-path", clip, "--output-path", home / "cold.wav", "--gpu", "-"]
    words += ["--pth-path", demo.VOICE, "--f0-method", "fcpe", "--seed", "3"]
    line = [sys.executable, str(REPOSITORY / "core.py"), *map(str, words)]
    subprocess.run(line, check=True, capture_output=True)
    result("infer", infer(clip, home / "first.wav"))
    result("infer", infer(clip, home / "other.wav", pitch=5, reverb=True, post_process=True))
    result("model-information", params.ModelInformation(pth_path=demo.VOICE))
    result("infer", infer(clip, home / "second.wav"))
    cold, first, second, other = (
        (home / f"{name}.wav").read_bytes() for name in ("cold", "first", "second", "other")
    )
    assert cold == first == second
    assert other != cold
    assert len(queue.links) == 1
    known = (home / ".cache" / "jobs").glob("*/pid.json")
    worker = queue.links["cpu"].process.pid
    assert {json.loads(file.read_text())["pid"] for file in known} == {worker}


def test_a_click_passes_a_batch_and_neither_hears_of_the_other(
    home: Path, clip: Path, queue: Queue
) -> None:
    names = [f"{number}.wav" for number in range(8)]
    (home / "in").mkdir()
    for name in names:
        shutil.copyfile(clip, home / "in" / name)
    result("infer", infer(clip, home / "alone.wav"))
    many = params.BatchInfer(
        input_folder=home / "in",
        output_folder=home / "out",
        pth_path=(demo.VOICE,),
        gpu="-",
        f0_method="fcpe",
        seed=3,
    )
    batch = jobs.start("batch-infer", many)
    wait(batch, lambda job: job["total"] > 0)
    result("infer", infer(clip, home / "between.wav"))
    made = list((home / "out").glob("*.wav"))
    assert len(made) < len(names), "the batch had not ended"
    assert wait(batch, lambda job: job["state"] in jobs.FINISHED)["state"] == "done"
    sounds = {file.read_bytes() for file in (*(home / "out").glob("*.wav"), home / "alone.wav")}
    assert sounds == {(home / "between.wav").read_bytes()}
    assert len(list((home / "out").glob("*.wav"))) == len(names)
