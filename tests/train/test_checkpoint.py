"""The saved training survives what happens to files."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from rvc import files
from rvc.errors import StageFailed
from rvc.train import checkpoint
from tests import disk

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")


def payload(n: int) -> dict[str, Any]:
    return {"step": n, "values": torch.full((200, 500), float(n)), "names": ["a", "ü"]}


def saved(folder: Path) -> dict[str, Any]:
    found = checkpoint.load(folder)
    assert found is not None
    return found


def whole(found: dict[str, Any]) -> bool:
    return bool((found["values"] == found["step"]).all())


def test_what_goes_in_comes_out_and_the_previous_is_kept(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path) is None
    for n in (1, 2, 3):
        checkpoint.save(tmp_path, payload(n))
    assert saved(tmp_path)["step"] == 3
    assert checkpoint.read_verified(tmp_path / checkpoint.PREVIOUS)["step"] == 2
    assert sorted(os.listdir(tmp_path)) == [checkpoint.PREVIOUS, checkpoint.NAME]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone", "other"])
def test_damage_is_noticed_and_the_previous_taken(tmp_path: Path, damage: str) -> None:
    for n in (1, 2):
        checkpoint.save(tmp_path, payload(n))
    file = tmp_path / checkpoint.NAME
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        data[len(data) // 2] ^= 4
        new: dict[str, bytes | bytearray] = {
            "cut": data[:-999],
            "flip": data,
            "empty": b"",
            "other": b"PK\x03\x04" * 999,
        }
        file.unlink()  # the previous state must not share its content
        file.write_bytes(new[damage])
    assert saved(tmp_path)["step"] == 1


def test_when_none_is_good_it_says_so(tmp_path: Path) -> None:
    for n in (1, 2):
        checkpoint.save(tmp_path, payload(n))
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (tmp_path / name).write_bytes(b"no")
    with pytest.raises(StageFailed, match=r"state\.pt"):
        checkpoint.load(tmp_path)


def keep_saving(folder: Path, told: int) -> None:
    for n in range(1, 100000):
        checkpoint.save(folder, payload(n))
        os.write(told, n.to_bytes(4, "little"))


@posix
@pytest.mark.forks
def test_killed_at_fifty_moments_the_newest_state_is_there(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    rng = random.Random(0)
    checkpoint.save(tmp_path, payload(1))
    caught_in_a_save = 0
    for _ in range(50):
        out, told = os.pipe()
        child = fork.Process(target=keep_saving, args=(tmp_path, told))
        child.start()
        os.close(told)
        os.read(out, 4)
        time.sleep(rng.random() * 0.01)
        child.kill()
        child.join()
        said = os.read(out, 1 << 16)
        os.close(out)
        caught_in_a_save += bool(list(tmp_path.glob(f".*{files.PART}")))
        found = saved(tmp_path)
        assert whole(found)
        assert found["step"] >= (int.from_bytes(said[-4:], "little") if said else 1)
        assert whole(checkpoint.read_verified(tmp_path / checkpoint.PREVIOUS))
        files.remove_stale(tmp_path, older_than_s=0)
    assert caught_in_a_save > 5


@posix
@disk.linux
def test_full_disk_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (1, 2):
        checkpoint.save(tmp_path, payload(n))
    disk.fill(monkeypatch, checkpoint.NAME)
    with pytest.raises(OSError, match="No space") as caught:
        checkpoint.save(tmp_path, payload(3))
    assert caught.value.errno == errno.ENOSPC
    assert saved(tmp_path)["step"] == 2
    assert checkpoint.read_verified(tmp_path / checkpoint.PREVIOUS)["step"] == 1
    assert sorted(os.listdir(tmp_path)) == [checkpoint.PREVIOUS, checkpoint.NAME]
    checkpoint.save(tmp_path, payload(4))
    assert saved(tmp_path)["step"] == 4


@posix
def test_no_hard_links_still_keeps_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    for n in (1, 2, 3):
        checkpoint.save(tmp_path, payload(n))
    assert saved(tmp_path)["step"] == 3
    assert checkpoint.read_verified(tmp_path / checkpoint.PREVIOUS)["step"] == 2
