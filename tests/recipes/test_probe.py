"""The probe of embedders: its labels, its distances, and that it finds what is there."""

from __future__ import annotations

import numpy as np
import pytest

from recipes import probe


def test_marks_belong_to_their_sounds() -> None:
    phones = [("", 0.1), ("ˈ", 0.2), ("a", 0.3), ("ː", 0.4), (" ", 0.5), ("t", 0.6), ("ʲ", 0.7)]
    assert probe.segments(phones) == [("", 0.1), ("a", 0.4), ("", 0.5), ("t", 0.7)]
    assert probe.segments([("ˈɑː", 0.2), ("tʃʲ", 0.3)]) == [("ɑ", 0.2), ("tʃ", 0.3)]


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [([1, 2, 3], [1, 2, 3], 0), ([1, 2, 3], [1, 3], 1), ([], [4, 5], 2), ([1, 2], [2, 1], 2)],
)
def test_edits_are_the_fewest(a: list[int], b: list[int], count: int) -> None:
    assert probe.edits(a, b) == probe.edits(b, a) == count


def test_a_sequence_has_neither_silence_nor_flicker() -> None:
    assert probe.sequence([0, 0, 3, 3, 3, 5, 3, 3, 0, 0, 7, 7], 0) == [3, 7]


def test_the_probe_tells_content_from_noise() -> None:
    rng = np.random.default_rng(1)
    code = rng.standard_normal((3, 16)).astype(np.float32)
    found = {}
    for name, loud in (("content", 1.0), ("noise", 0.0)):
        data = []
        for number in range(48):
            labels = np.repeat(rng.integers(0, 3, 20), 5)
            own = rng.standard_normal((len(labels), 16)).astype(np.float32)
            phones = [("", "a", "o")[k] for k in labels]
            values = loud * code[labels] * 4 + own
            data.append(probe.Frames("en", f"s{number % 8}", number, values, phones))
        found[name] = probe.judged(data, steps=100)
    assert found["content"].phone["en"] > 0.95
    assert found["content"].error["en"] < 0.1
    assert found["noise"].phone["en"] < 0.6
    assert found["content"].speaker < 0.35  # of six, by chance 0.17
