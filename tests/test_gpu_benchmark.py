"""The benchmark for graphics cards runs through, at toy size on a processor."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import gpu
from rvc.nets.config import VoiceSettings
from tests import tiny
from tests.train.tiny import PARTS, SMALL


def small(settings: VoiceSettings) -> VoiceSettings:
    return replace(settings, **SMALL)


PLAN = gpu.Plan(
    frames=32,
    rounds=1,
    blocks=(16, 32),
    batches=(1,),
    steps=1,
    vocoders=("HiFi-GAN",),
    embedder=tiny.HUBERT,
    shaped=small,
    parts=PARTS,
    seconds=0,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def rows() -> list[gpu.Row]:
    return gpu.measure(PLAN, CPU, minutes=60)


def test_every_row_is_measured_and_finite(rows: list[gpu.Row]) -> None:
    assert len(rows) == 2 * (2 + 2 + 1)
    for row in rows:
        assert row.finite, row
        assert row.cold is not None, row
        assert row.warm is not None, row
        assert min(row.cold, row.warm) > 0, row


def test_errors_are_those_against_fp32(rows: list[gpu.Row]) -> None:
    errors = {(row.what, row.precision): row.error for row in rows if "training" not in row.what}
    for (what, precision), error in errors.items():
        if precision == "fp32":
            assert error == 0.0, what
        else:
            assert error is not None, what
            assert 0 < error < 0.2, what


def test_what_there_is_no_time_for_is_said() -> None:
    rows = gpu.measure(PLAN, CPU, minutes=-1)
    assert {row.note for row in rows} == {"no time was left"}
    assert gpu.table(rows).count("no time was left") == len(rows)


def test_the_block_changes_no_sound() -> None:
    short, whole = (gpu.Networks(PLAN, "HiFi-GAN", block).eval() for block in PLAN.blocks)
    with torch.inference_mode():
        assert torch.allclose(short(), whole(), atol=1e-5 * float(whole().abs().max()))
