"""What takes long to load is loaded once, kept by bytes, and never waits for something else."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc import hub
from rvc.config import Settings, save_settings
from rvc.embedders.manager import EmbedderManager
from rvc.hub import Loaded, held_bytes
from rvc.infer import voice as voices
from rvc.infer.voice import Voice
from rvc.onnx import cache
from rvc.params import Convert
from rvc.tools import demo
from tests import tiny

LIMIT_S = 60


class Thing:
    """Something that is `size` bytes large."""

    def __init__(self, size: int) -> None:
        self.values = np.zeros(size, np.uint8)


class Shelf:
    """Things by name, of which so many bytes may be kept, and how often each was made."""

    def __init__(self, budget: int) -> None:
        self.loaded = Loaded(lambda: budget)
        self.made: list[str] = []

    def get(self, name: str, size: int = 10) -> Thing:
        def make() -> Thing:
            self.made.append(name)
            return Thing(size)

        return self.loaded.get("thing", name, make)


def test_what_was_not_asked_for_longest_goes_first() -> None:
    shelf = Shelf(20)
    for name in "abacab":
        shelf.get(name)
    assert "".join(shelf.made) == "abcb", "a was asked for all the time"


def test_it_is_bytes_that_count() -> None:
    shelf = Shelf(100)
    for name in "abcdefg":
        shelf.get(name)
    shelf.get("large", 90)
    assert {name for _, name in shelf.loaded.kept} == {"g", "large"}
    for name in "abcdef":
        shelf.get(name)
    assert {name for _, name in shelf.loaded.kept} == set("abcdef"), "g, then the large one"


def test_what_is_in_use_stays_however_large() -> None:
    shelf = Shelf(10)
    used = shelf.get("used", 1000)
    shelf.get("a")
    shelf.get("b")
    assert shelf.get("used", 1000) is used
    assert "".join(shelf.made) == "usedab"
    del used
    shelf.get("a")
    assert [name for _, name in shelf.loaded.kept] == ["a"]


def test_what_is_part_of_something_else_is_counted_once_and_stays_with_it() -> None:
    loaded = Loaded(lambda: 150)

    def whole() -> list[Any]:
        thing = Thing(10)
        thing.part = loaded.get("part", "p", lambda: Thing(100))  # type: ignore[attr-defined]
        return [thing]

    first = loaded.get("whole", 1, lambda: whole()[0])
    second = loaded.get("whole", 2, lambda: whole()[0])
    assert first.part is second.part
    assert held_bytes(*loaded.kept.values()) == 120
    assert len(loaded.kept) == 3


def test_loading_one_thing_never_waits_for_another() -> None:
    kept = Loaded(lambda: 100)
    begun, go_on = threading.Event(), threading.Event()
    made: list[Thing] = []

    def slow() -> Thing:
        begun.set()
        assert go_on.wait(LIMIT_S)
        return Thing(1)

    def get() -> None:
        made.append(kept.get("thing", "slow", slow))

    both = [threading.Thread(target=get) for _ in range(2)]
    both[0].start()
    assert begun.wait(LIMIT_S)
    both[1].start()
    quick = Thing(1)
    assert kept.get("thing", "quick", lambda: quick) is quick
    go_on.set()
    for thread in both:
        thread.join(LIMIT_S)
    assert made[0] is made[1]


def test_a_failure_leaves_nothing_and_the_next_who_asks_tries_again() -> None:
    kept = Loaded(lambda: 100)
    with pytest.raises(ZeroDivisionError):
        kept.get("thing", "a", lambda: Thing(1 // 0))
    assert not kept.kept
    whole = Thing(1)
    assert kept.get("thing", "a", lambda: whole) is whole


def test_kinds_are_dropped_apart() -> None:
    kept = Loaded(lambda: 100)
    for kind in ("voice", "embedder"):
        kept.get(kind, 1, lambda: Thing(1))
    kept.drop("voice")
    assert list(kept.kept) == [("embedder", 1)]


def test_the_bytes_of_a_network_are_those_of_its_parameters_and_buffers() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(10, 3), torch.nn.BatchNorm1d(3))
    want = sum(t.nbytes for t in (*net.parameters(), *net.buffers()))
    assert held_bytes(net) == held_bytes(net, {"again": [net]}) == want > 4 * 33


def test_the_budget_is_half_of_what_the_settings_allow(home: Path) -> None:
    save_settings(Settings(worker_memory_mb=1024))
    assert hub.limit_bytes() == 1 << 30
    assert hub.loaded.budget() == 1 << 29


@pytest.fixture
def nothing_kept(home: Path) -> Iterator[None]:
    hub.loaded.drop("voice", "embedder", "pitch extractor")
    yield
    hub.loaded.drop("voice", "embedder", "pitch extractor")


def convert(pth: Path, **more: Any) -> Voice:
    return voices.load(pth, None, Convert(gpu="-", f0_method="fcpe", **more))


@pytest.mark.usefixtures("nothing_kept")
def test_a_voice_is_measured_with_all_it_holds_and_leaves_memory_when_nobody_uses_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.OFF, "1")
    made = convert(demo.VOICE)
    embedder = made.embedder.network
    parts = [*made.net.parameters(), *made.net.buffers()]  # type: ignore[union-attr]
    parts += [*embedder.parameters(), *embedder.buffers()]
    assert held_bytes(made) == sum({id(t): t.nbytes for t in parts}.values()) > 1_000_000
    save_settings(Settings(worker_memory_mb=1))
    other = home / "other.pth"
    shutil.copyfile(demo.VOICE, other)
    del made, embedder, parts
    convert(other)
    assert [kind for kind, _ in hub.loaded.kept] == ["embedder", "voice"]
    assert str(other.resolve()) in str(list(hub.loaded.kept))


@contextmanager
def stuck(folder: Path, load: Callable[[], Any]) -> Iterator[threading.Thread]:
    """A thread that loads an embedder's folder, and cannot read it all until this is left."""
    config, kept = folder / "config.json", folder / "config"
    content = config.read_bytes()
    config.rename(kept)
    os.mkfifo(config)
    thread = threading.Thread(target=load)
    thread.start()
    pipe = _opened(config)
    yield thread
    kept.replace(config)
    os.write(pipe, content)
    os.close(pipe)
    thread.join(LIMIT_S)


def _opened(fifo: Path) -> int:
    """The end of a pipe to write into, once somebody reads the other."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        with suppress(OSError):
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.01)
    raise TimeoutError(fifo)


@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("what", ["embedder", "voice"])
def test_a_second_one_never_waits_for_the_loading_of_the_first(
    what: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.OFF, "1")
    slow, quick = tiny.hubert(home / "slow"), tiny.hubert(home / "quick", seed=1)
    pth = tiny.voice(home / "voice.pth")

    def load(folder: Path) -> Any:
        if what == "embedder":
            return EmbedderManager().load("custom", folder)
        return convert(pth, embedder_model="custom", embedder_model_custom=str(folder))

    with stuck(slow, lambda: load(slow)) as first:
        assert load(quick) is load(quick)
        assert first.is_alive()
    assert not first.is_alive()
    assert load(slow) is load(slow)
