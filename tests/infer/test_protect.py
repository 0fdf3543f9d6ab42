"""What `protect` does to converted sound: real speech, the demo voice, its index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rvc import Voice, convert, f0, infer
from rvc.audio import io, levels
from rvc.tools import demo

RATE = infer.RATE
BESIDE = 5  # frames of 10 ms: what is nearer to a consonant is made of both


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Seven seconds of a prompt that holds breaths, fricatives and plosives."""
    return io.load(demo.SAMPLE, RATE)[0][: 7 * RATE]


@pytest.fixture(scope="module")
def made(speech: np.ndarray) -> dict[tuple[float, float], Any]:
    """(protect, index rate) -> (frames, samples) of the result, one row per 10 ms."""
    voice = Voice(demo.VOICE, demo.INDEX, gpu="-")
    results = {}
    for protect, index_rate in ((0.5, 0.0), (0.5, 0.75), (0.33, 0.75), (0.0, 0.75)):
        options = {"protect": protect, "index_rate": index_rate, "f0_method": "swift-f0"}
        out, rate = convert(voice, speech, RATE, seed=1, **options)
        results[protect, index_rate] = out.astype(np.float64).reshape(-1, rate // 100)
    return results


@pytest.fixture(scope="module")
def unvoiced(speech: np.ndarray) -> np.ndarray:
    """(frames,) bool: loud enough to be heard and without pitch."""
    level = infer.levels(speech)
    pitch = f0.load("swift-f0")(speech)[: len(level)]
    return np.asarray((pitch == 0) & (level > level.max() - 35))


@pytest.fixture(scope="module")
def voiced(speech: np.ndarray, unvoiced: np.ndarray) -> np.ndarray:
    """(frames,) bool: with pitch, and away from what has none."""
    pitch = f0.load("swift-f0")(speech)[: len(unvoiced)]
    return ~levels.widened(pitch == 0, BESIDE)


def db(rows: np.ndarray, mask: np.ndarray) -> float:
    return float(10 * np.log10(np.square(rows[mask]).sum()))


@pytest.mark.parametrize(("protect", "at_least"), [(0.33, -17), (0.0, -14)])
def test_protection_changes_consonants_and_leaves_vowels(
    made: dict[tuple[float, float], Any],
    unvoiced: np.ndarray,
    voiced: np.ndarray,
    protect: float,
    at_least: int,
) -> None:
    off, on = made[0.5, 0.75], made[protect, 0.75]
    changed = [db(on - off, mask) - db(off, mask) for mask in (unvoiced, voiced)]
    assert min(unvoiced.sum(), voiced.sum()) > 100
    assert changed[0] > at_least
    assert changed[1] < -26
    assert changed[0] - changed[1] > 12


@pytest.mark.parametrize("protect", [0.33, 0.0])
def test_protected_consonants_keep_their_energy(
    made: dict[tuple[float, float], Any], unvoiced: np.ndarray, voiced: np.ndarray, protect: float
) -> None:
    """Beside the voice without an index, whose consonants are wholly the speaker's own."""
    own, on = made[0.5, 0.0], made[protect, 0.75]
    for mask in (unvoiced, voiced):
        assert db(on, mask) - db(own, mask) == pytest.approx(0, abs=1.5)


def test_the_more_protection_the_nearer_to_the_speakers_own_consonants(
    made: dict[tuple[float, float], Any], unvoiced: np.ndarray
) -> None:
    own = made[0.5, 0.0]
    off, third, full = (db(made[protect, 0.75] - own, unvoiced) for protect in (0.5, 0.33, 0.0))
    assert off > third + 1
    assert off > full + 1


def test_without_an_index_there_is_nothing_to_protect(
    made: dict[tuple[float, float], Any], speech: np.ndarray
) -> None:
    voice = Voice(demo.VOICE, gpu="-")
    options = {"protect": 0.0, "index_rate": 0.75, "f0_method": "swift-f0"}
    out, _ = convert(voice, speech, RATE, seed=1, **options)
    assert np.array_equal(out.reshape(made[0.5, 0.0].shape), made[0.5, 0.0])
