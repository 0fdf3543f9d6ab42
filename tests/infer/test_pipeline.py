"""The pipeline is addressed by position, fits into memory, and controls pitch without a memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from rvc.errors import VoiceError
from rvc.f0 import contour
from rvc.f0.contour import Phase, PitchControl, RunningMedian
from rvc.infer.convert import convert
from rvc.infer.noise import PositionalNoise
from rvc.infer.pipeline import EMBEDDER_EXTRA, Pipeline, Window
from rvc.infer.voice import Voice
from rvc.memory import Capacity
from tests import tiny
from tests.infer.conftest import sung

FRAMES, CONTEXT = 400, 100


def windows(
    features: torch.Tensor, f0_hz: np.ndarray, edges: Sequence[int], glides: bool
) -> Iterator[Window]:
    """The recording in windows that keep what lies between the edges."""
    phase = Phase()
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        first, last = max(0, begin - CONTEXT) // 2 * 2, min(len(f0_hz), end + CONTEXT)
        phase = phase.advanced(f0_hz, begin, glides)
        rows = features[first // 2 : -(-last // 2)]
        yield Window(rows, f0_hz[first:last], first, (begin, end), phase)


@pytest.mark.parametrize("edges", [[0, 130, 131, 400], [0, 10, 20, 30, 400], [0, 398, 400]])
def test_however_it_is_cut_the_same_samples_come_out(voice: Voice, edges: list[int]) -> None:
    tiny.deafen(voice.net)
    wave = np.pad(sung(FRAMES / 100), (0, EMBEDDER_EXTRA))
    f0_hz = np.full(FRAMES, 200.0, np.float32) + 20 * np.sin(np.arange(FRAMES) / 30)
    f0_hz[150:180] = 0
    f0_hz = f0_hz.astype(np.float32)
    pipeline = Pipeline(voice, PositionalNoise(4))
    (features,) = pipeline.features([wave])
    assert features.shape == (FRAMES // 2, voice.file.embed_width)

    def rendered(cut_at: Sequence[int]) -> np.ndarray:
        return np.concatenate(
            [
                block
                for window in windows(features, f0_hz, cut_at, voice.glides)
                for block in pipeline.render(window)
            ]
        )

    whole = rendered([0, FRAMES])
    assert len(whole) == FRAMES * voice.hop
    assert np.abs(rendered(edges) - whole).max() < 1e-3 * np.abs(whole).max()
    other = Pipeline(voice, PositionalNoise(5))
    window = next(windows(features, f0_hz, [0, FRAMES], voice.glides))
    assert not np.allclose(np.concatenate(list(other.render(window))), whole)


@pytest.mark.parametrize("glides", [False, True])
def test_phase_depends_on_the_pitch_and_not_on_the_steps(glides: bool) -> None:
    f0_hz = (150 + 80 * np.sin(np.arange(500) / 7)).astype(np.float32)
    once = Phase().advanced(f0_hz, 480, glides)
    phase = Phase()
    for to in (1, 2, 60, 61, 300, 480):
        phase = phase.advanced(f0_hz, to, glides)
    assert phase.turns == pytest.approx(once.turns, abs=1e-9)
    late = Phase(phase.turns, 480).advanced(f0_hz[400:], 490, glides, first=400)
    assert late.turns == pytest.approx(once.advanced(f0_hz, 490, glides).turns, abs=1e-9)
    held = Phase().advanced(np.full(200, 110.5, np.float32), 100, False)
    assert held.turns == pytest.approx(0.5, abs=1e-9), "one second of 110.5 Hz"


def test_pitch_control_is_the_same_for_every_cut() -> None:
    f0_hz = np.array([0, 200, 210, 0, 452], np.float32)
    control = PitchControl(12, autotune=1.0, target_hz=400.0)
    whole = control(f0_hz, 200.0)
    assert np.array_equal(
        np.concatenate([control(f0_hz[:2], 200.0), control(f0_hz[2:], 200.0)]), whole
    )
    assert whole[1] == pytest.approx(800, rel=0.03)
    assert np.array_equal(PitchControl()(f0_hz), f0_hz)
    assert np.allclose(PitchControl(target_hz=300.0)(f0_hz, 0.0), f0_hz), "nothing is known yet"


def test_a_running_median_becomes_that_of_the_recording_and_forgets_what_is_long_past() -> None:
    rng = np.random.default_rng(0)
    f0_hz = rng.uniform(100, 300, 1000).astype(np.float32)
    f0_hz[::3] = 0
    running = RunningMedian(seconds=30)
    assert running.add(np.zeros(10, np.float32)) == 0
    for start in range(0, 1000, 7):
        median = running.add(f0_hz[start : start + 7])
    assert median == pytest.approx(contour.median_hz(f0_hz))
    assert running.add(np.full(3000, 440.0, np.float32)) == 440


@pytest.mark.parametrize("blended", [True, False])
def test_parts_that_fit_join_to_the_whole(blended: bool) -> None:
    rng = np.random.default_rng(1)
    rows = torch.from_numpy(rng.standard_normal((1000, 3)).astype(np.float32))
    asked = []

    def compute(a: int, b: int) -> torch.Tensor:
        asked.append(b - a)
        if b - a > 260:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return rows[a:b].clone()

    capacity = Capacity()
    made = capacity.rows("network", compute, 1000, 20, blended)
    assert torch.allclose(made, rows, atol=1e-6)
    assert capacity.longest == {"network": 125}
    asked.clear()
    capacity.rows("network", compute, 1000, 20, blended)
    assert max(asked) <= 260, "it is remembered"
    capacity.rows("another", lambda a, b: rows[a:b], 1000, 20)
    assert "another" not in capacity.longest

    def hopeless(a: int, b: int) -> torch.Tensor:
        raise MemoryError

    with pytest.raises(VoiceError, match="too little memory"):
        capacity.rows("network", hopeless, 1000, 20)

    def broken(a: int, b: int) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes"):
        capacity.rows("third", broken, 10, 20)


def test_groups_shrink_where_memory_is_short_and_nothing_is_done_twice() -> None:
    capacity, groups, items = Capacity(), [], list(range(11))

    def compute(group: Sequence[int]) -> list[int]:
        if len(group) > 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        groups.append(len(group))
        return [10 * item for item in group]

    made = capacity.groups("embedder", compute, items, 8)
    assert list(made) == [(item, 10 * item) for item in items]
    assert groups == [2, 2, 2, 2, 2, 1]
    list(capacity.groups("embedder", compute, items[:2], 8))
    assert groups[-1] == 2, "it is remembered"

    def broken(group: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes"):
        list(capacity.groups("embedder", broken, items, 8))


def test_several_pieces_at_once_sound_as_one_after_the_other(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rvc.infer.PIECE_S", 1.0)
    expected, _ = convert(voice, sung(5), 16_000, seed=2)
    monkeypatch.setattr(voice, "together", 4)
    seen, tensors = [], voice.embedder.tensors

    def noted(waves: Sequence[np.ndarray]) -> list[torch.Tensor]:
        seen.append(len(waves))
        return tensors(waves)

    monkeypatch.setattr(voice.embedder, "tensors", noted)
    out, _ = convert(voice, sung(5), 16_000, seed=2)
    assert max(seen) == 4
    assert np.abs(out - expected).max() < 1e-5 * np.abs(expected).max()


def test_neighbouring_parts_glide_into_each_other() -> None:
    calls = iter(range(10))
    capacity = Capacity()
    capacity.longest["network"] = 100
    made = capacity.rows(
        "network", lambda a, b: torch.full((b - a, 1), float(next(calls))), 300, 20
    )
    assert torch.diff(made[:, 0]).abs().max() < 0.05
    assert made[0] == 0
    assert made[-1] == 2


def test_networks_that_run_out_of_memory_go_on_with_less(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.deafen(voice.net)
    wave = sung(6)
    expected, _ = convert(voice, wave, 16_000, seed=2)
    embed, extract, latent = voice.embedder.tensors, voice.extractor("rmvpe"), voice.net.latent

    def short_of_memory(
        network: Callable[..., Any], size: Callable[[Any], float]
    ) -> Callable[..., Any]:
        def run(x: Any, *others: Any) -> Any:
            if size(x) > 5.0:
                raise RuntimeError("CUDA out of memory.")
            return network(x, *others)

        return run

    samples_s, rows_s = (lambda x: len(x) / 16_000), (lambda x: x.shape[1] / 100)
    longest_s = lambda waves: max(map(samples_s, waves))  # noqa: E731
    monkeypatch.setattr(voice.embedder, "tensors", short_of_memory(embed, longest_s))
    monkeypatch.setattr(voice, "extractor", lambda method: short_of_memory(extract, samples_s))
    monkeypatch.setattr(voice.net, "latent", short_of_memory(latent, rows_s))
    out, _ = convert(voice, wave, 16_000, seed=2)
    assert set(voice.capacity.longest) == {"embedder", "pitch extractor", "text encoder"}
    assert np.abs(out - expected).max() < 0.01 * np.abs(expected).max()
