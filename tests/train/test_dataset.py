"""Clips become batches: nothing lost, nothing bent, everything checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc.dataset.filelist import Clip, digests, read_filelist, width
from rvc.errors import BadInput, Mismatch, StageFailed
from rvc.train.dataset import MAX_FRAMES, Dataset, Prefetch, Sampler
from tests.train.make import HOP, RATE, clip, experiment


def one(folder: Path, **options: Any) -> list[Clip]:
    (folder / "filelist.txt").write_text(clip(folder, "0_0_0", **options))
    return read_filelist(folder, HOP, RATE)


def test_batch_is_aligned_and_padded_with_zeros(tmp_path: Path) -> None:
    lines = [clip(tmp_path, "0_0_0", seconds=1.0), clip(tmp_path, "0_1_0", seconds=0.6, speaker=3)]
    (tmp_path / "filelist.txt").write_text("\n".join(lines))
    clips = read_filelist(tmp_path, HOP, RATE)
    assert width(clips) == 8
    batch = Dataset(clips, HOP, segment=32).batch([0, 1], epoch=1)
    assert batch.lengths.tolist() == [98, 58]  # two features a frame short of the end
    assert batch.sid.tolist() == [0, 3]
    assert batch.wave.shape == (2, 98 * HOP)
    assert batch.phone.shape == (2, 98, 8)
    assert torch.equal(batch.phone[0, 10], batch.phone[0, 11])  # 50 features, 100 frames a second
    assert not torch.equal(batch.phone[0, 11], batch.phone[0, 12])
    assert not batch.wave[1, 58 * HOP :].any()
    assert not batch.phone[1, 58:].any()


def test_short_clip_is_repeated_to_a_segment(tmp_path: Path) -> None:
    clips = one(tmp_path, seconds=0.2)
    batch = Dataset(clips, HOP, segment=32).batch([0], epoch=1)
    frames = clips[0].frames
    assert 0 < frames < 32
    assert batch.lengths.tolist() == [32]
    assert torch.equal(batch.wave[0, : (32 - frames) * HOP], batch.wave[0, frames * HOP :])


def test_long_clip_is_heard_whole_over_the_epochs(tmp_path: Path) -> None:
    clips = one(tmp_path, seconds=11.0)
    data = Dataset(clips, HOP, segment=32, keep=torch.device("cpu"))
    whole = data.arrays(0)[3]
    heard = torch.zeros(len(whole) // HOP, dtype=torch.bool)
    for epoch in range(40):
        wave = data.batch([0], epoch).wave[0]
        assert len(wave) == MAX_FRAMES * HOP
        frames = whole.view(-1, HOP)
        first = next(i for i in range(len(frames)) if torch.equal(frames[i], wave[:HOP]))
        assert first % 2 == 0
        heard[first : first + MAX_FRAMES] = True
    assert heard.float().mean() > 0.98


def test_changed_data_shows_in_its_digest(tmp_path: Path) -> None:
    experiment(tmp_path, clips=3)
    clips = read_filelist(tmp_path, HOP, RATE)
    before = digests(clips)
    f0 = np.load(clips[1].voiced)
    f0[5] += 1
    np.save(clips[1].voiced, f0)
    after = digests(clips)
    assert [name for name in before if before[name] != after[name]] == ["0_1_0"]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"filelist\.txt"):
        read_filelist(tmp_path, HOP, RATE)
    experiment(tmp_path, clips=3)
    with pytest.raises(Mismatch, match="48000 Hz"):
        read_filelist(tmp_path, 480, 48000)
    np.save(tmp_path / "extracted/0_1_0.npy", np.zeros((40, 9), np.float32))
    with pytest.raises(Mismatch, match="0_1_0"):
        read_filelist(tmp_path, HOP, RATE)
    bad = np.zeros((40, 8), np.float32)
    bad[3, 3] = np.nan
    np.save(tmp_path / "extracted/0_1_0.npy", bad)
    with pytest.raises(StageFailed, match="0_1_0"):
        Dataset(read_filelist(tmp_path, HOP, RATE), HOP, 32).batch([0, 1, 2], 1)
    (tmp_path / "extracted/0_2_0.npy").unlink()
    with pytest.raises(StageFailed, match="0_2_0"):
        read_filelist(tmp_path, HOP, RATE)


@pytest.mark.parametrize("batch", [1, 3, 4, 50])
def test_every_clip_every_epoch(batch: int) -> None:
    lengths = np.random.default_rng(0).integers(30, 700, 47).tolist()
    sampler = Sampler(lengths, [0] * 47, batch, seed=1)
    for epoch in (1, 2):
        steps = sampler.batches(epoch)
        assert len(steps) == len(sampler) == -(-47 // batch)
        assert all(len(step) == batch for step in steps)
        assert set(sum(steps, [])) == set(range(47))
    assert sampler.batches(3) == sampler.batches(3)
    if batch > 1:
        assert sampler.batches(1) != sampler.batches(2)


def test_alike_lengths_share_a_batch() -> None:
    lengths = [100] * 8 + [300] * 8 + [600] * 8
    steps = Sampler(lengths, [0] * 24, 4, seed=0).batches(1)
    assert all(len({lengths[i] for i in step}) == 1 for step in steps)


def test_speakers_are_balanced() -> None:
    speakers = [0] * 30 + [1] * 10 + [7] * 3
    drawn = sum(Sampler([100] * 43, speakers, 5, seed=0).batches(1), [])
    counts = np.bincount([speakers[i] for i in drawn])
    assert counts[0] == counts[1] == counts[7] == 30
    assert set(drawn) == set(range(43))


def test_balance_has_a_limit() -> None:
    """10,000 and 10 clips: without a limit each of the 10 would be heard a thousand times."""
    speakers = [0] * 10000 + [1] * 10
    sampler = Sampler([100] * 10010, speakers, 10, seed=0, balance=5)
    assert len(sampler) == 1005
    drawn = np.bincount(sum(sampler.batches(1), []))
    assert drawn[:10000].tolist() == [1] * 10000
    assert drawn[10000:].tolist() == [5] * 10


def test_no_balance_draws_every_clip_once() -> None:
    speakers = [0] * 30 + [1] * 10
    drawn = np.bincount(sum(Sampler([100] * 40, speakers, 8, seed=0, balance=1).batches(3), []))
    assert drawn.tolist() == [1] * 40


def test_prefetch_keeps_order_hands_over_errors_and_ends() -> None:
    def make(n: int) -> int:
        if n == 5:
            raise ValueError("five")
        return n * n

    got: list[int] = []
    with Prefetch(make, range(10)) as ready, pytest.raises(ValueError, match="five"):
        got.extend(ready)
    with Prefetch(make, range(5)) as ready:
        assert list(ready) == [0, 1, 4, 9, 16]
    with Prefetch(make, range(4)) as ready:
        assert next(iter(ready)) == 0
    assert not ready.thread.is_alive()
