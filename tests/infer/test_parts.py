"""Noise by position, decoder blocks, spools and features keep their promises."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch

from rvc import infer
from rvc.audio import stream
from rvc.errors import VoiceError
from rvc.infer import blocks, convert, noise, pipeline


def test_noise_is_a_function_of_seed_and_position_only() -> None:
    a, b = noise.PositionalNoise(7), noise.PositionalNoise(7)
    whole = a.rows(noise.LATENT, -1500, 4000, 3)
    assert torch.equal(whole[:, 200:2900], b.rows(noise.LATENT, -1300, 1400, 3))
    assert not torch.equal(whole[0], a.rows(noise.SOURCE, -1500, 4000)[0])
    assert not torch.equal(whole, noise.PositionalNoise(8).rows(noise.LATENT, -1500, 4000, 3))
    one, other = (noise.PositionalNoise().rows(0, 0, 9) for _ in range(2))
    assert not torch.equal(one, other)


def test_noise_is_white_gaussian_and_every_row_goes_its_own_way() -> None:
    rows = noise.PositionalNoise(3).rows(noise.DECODER, -50_000, 150_000, 6).double()
    assert rows.mean(dim=1).abs().max() < 0.01
    assert rows.var(dim=1).numpy() == pytest.approx(1, abs=0.02)
    assert (rows**4).mean(dim=1).numpy() == pytest.approx(3, abs=0.1), "its tails are a Gaussian's"
    together = torch.corrcoef(rows) - torch.eye(6)
    assert together.abs().max() < 0.015, "rows share nothing, though they share a table"
    for lag in (1, 2, 100, noise.CHUNK - 1, noise.CHUNK, 7 * noise.CHUNK + 5):
        assert (rows[:, lag:] * rows[:, :-lag]).mean(dim=1).abs().max() < 0.015


def decoder(signal: np.ndarray, hop: int = 4, reach: int = 3) -> blocks.Decode:
    """A convolution over `reach` frames, zero beyond what it is given."""

    def decode(a: int, b: int, keep: tuple[int, int]) -> np.ndarray:
        part = np.pad(signal[a * hop : b * hop], reach * hop)
        made = np.convolve(part, np.ones(2 * reach * hop + 1), "valid")
        return made[keep[0] * hop : keep[1] * hop]

    return decode


@pytest.mark.parametrize("size", [1, 5, 8, 200])
@pytest.mark.parametrize("workers", [1, 3])
def test_blocks_equal_the_whole(size: int, workers: int) -> None:
    rng = np.random.default_rng(0)
    decode = decoder(rng.standard_normal(100 * 4))
    whole = decode(0, 100, (0, 100))
    run = blocks.Blocks(size, 3, workers).run(decode, 20, 90, 0, 100)
    assert np.allclose(np.concatenate(list(run)), whole[80:360], atol=1e-9)


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_halve_when_memory_runs_out_and_give_up_with_a_sentence(workers: int) -> None:
    signal = np.arange(400.0)
    decode = decoder(signal)

    def tight(a: int, b: int, keep: tuple[int, int]) -> blocks.Sound:
        if b - a > 30 and a > 20:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return decode(a, b, keep)

    machine = blocks.Blocks(64, 3, workers)
    made = np.concatenate(list(machine.run(tight, 0, 100, 0, 100)))
    assert np.array_equal(made, decode(0, 100, (0, 100)))
    assert 8 <= machine.frames <= 24, "the size that worked is kept"

    def hopeless(a: int, b: int, keep: tuple[int, int]) -> np.ndarray:
        raise MemoryError

    with pytest.raises(VoiceError, match="too little memory"):
        list(machine.run(hopeless, 0, 100, 0, 100))

    def broken(a: int, b: int, keep: tuple[int, int]) -> np.ndarray:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes"):
        list(machine.run(broken, 0, 100, 0, 100))


def test_blocks_are_decoded_side_by_side_and_the_work_ends_with_who_asked() -> None:
    together = threading.Barrier(2, timeout=60)
    begun = []

    def decode(a: int, b: int, keep: tuple[int, int]) -> np.ndarray:
        begun.append(a)
        together.wait()
        return np.full(keep[1] - keep[0], float(a))

    run = blocks.Blocks(10, 0, 2).run(decode, 0, 1000, 0, 1000)
    assert isinstance(run, Generator)
    assert [next(run)[0] for _ in range(2)] == [0, 10]
    together.abort()
    run.close()
    assert len(begun) <= 6


def test_fades_of_neighbours_add_up_to_one() -> None:
    left, right = infer.fades(True, True, 5, 10), infer.fades(True, False, 5, 10)
    assert np.allclose(left[-20:] + right[:20], 1)
    assert right[-20:].min() == 1


@pytest.mark.parametrize("limit", [16, 1 << 20])
def test_spools_read_what_was_written_in_memory_and_on_disk(
    limit: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stream, "IN_MEMORY", limit)
    wave = np.arange(1000, dtype=np.float32)
    with stream.Spool(tmp_path) as kept:
        for part in np.split(wave, [10, 500, 501]):
            kept.append(part)
        assert len(kept) == 1000
        assert np.array_equal(kept[3:999:7], wave[3:999:7])
        assert np.array_equal(kept.read(-5, 2000), wave)
        assert np.array_equal(np.concatenate([b for _, b in kept.blocks(64)]), wave)
        assert len(kept.read(5, 5)) == 0


class Shifted:
    def blend(self, features: torch.Tensor, rate: float) -> torch.Tensor:
        return features + rate


def test_protection_acts_on_unvoiced_frames_only_and_in_proportion() -> None:
    x = torch.zeros(4, 2)
    f0 = np.array([100, 0, 0, 100, 100, 0, 0, 0], np.float32)
    half = pipeline.content(x, f0, Shifted(), 1.0, 0.25)
    assert (half[f0 > 0] == 1).all()
    assert torch.allclose(half[f0 == 0], torch.tensor(0.25))
    assert (pipeline.content(x, f0, Shifted(), 1.0, 0.5) == 1).all()
    assert (pipeline.content(x, f0, Shifted(), 0.0, 0.0) == 0).all()
    assert len(pipeline.doubled(x, 11)) == 11


def test_pieces_agree_where_both_hear_whatever_the_embedder_makes_of_them() -> None:
    levels = np.full(3000, -20.0, np.float32)
    pieces = infer.plan(levels, 3000 * infer.FRAME, piece_s=8)
    assert len(pieces) > 2
    said = {p: float(number % 2) for number, p in enumerate(pieces)}

    heard = [(p, torch.full((p.frames // 2, 3), said[p])) for p in pieces]
    found = list(convert.crossfaded(heard))
    assert [p for p, _ in found] == pieces
    for (a, x), (b, y) in zip(found[:-1], found[1:], strict=True):
        offset = (b.first - a.first) // infer.GRID
        shared = len(x) - offset
        assert shared == 2 * round(infer.CONTEXT_S * 50)
        assert torch.equal(x[offset:], y[:shared])
        assert y.diff(dim=0).abs().max() < 0.02, "a glide of 2 s, no step"


def test_pieces_apart_keep_what_they_heard() -> None:
    pieces = [
        infer.Piece(0, 3200, 0, 6400, 0, 9600),
        infer.Piece(6400, 9600, 3200, 9600, 0, 9600),
    ]
    found = convert.crossfaded([(p, torch.full((20, 2), float(p.start))) for p in pieces])
    assert all((x == p.start).all() for p, x in found)
