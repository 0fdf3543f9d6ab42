"""Rows of the evaluation: means, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from rvc.evaluate import table


def test_words_count_by_length_and_clips_by_number() -> None:
    clips = [
        {"WER": (1.0, 10.0), "to target": table.once(0.8), "RTF": (2.0, 10.0)},
        {"WER": (5.0, 5.0), "to target": table.once(0.9), "F0 corr": table.once(float("nan"))},
    ]
    row = table.row(clips)
    assert row["WER"] == pytest.approx(6 / 15)
    assert row["to target"] == pytest.approx(0.85)
    assert row["F0 corr"] is None
    assert row["RTF"] == pytest.approx(0.2)
    assert row["intervals"] == {}  # two clips say nothing about others


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(60):
        clips = [{"DNSMOS": table.once(value)} for value in rng.normal(3, 0.4, 30)]
        low, high = table.row(clips)["intervals"]["DNSMOS"]
        assert low < high
        held += low <= 3 <= high
    assert 50 <= held < 60  # 95 % of 60 are 57, and bootstrap of 30 clips is a little narrow


def test_intervals_are_the_same_every_time() -> None:
    clips = [{"DNSMOS": table.once(value)} for value in (2.0, 3.0, 4.0)]
    assert table.row(clips) == table.row(clips)


def test_the_table_has_a_row_per_source_and_dashes_for_what_is_unknown() -> None:
    rows = {"rms": table.row([{"to target": table.once(v)} for v in (0.8, 0.8, 0.8)])}
    text = table.markdown(rows, ["A note."])
    assert "| rms | 3 | 0.800 (0.800 to 0.800) | - | - | - | - | - | - | - |" in text
    assert text.endswith("\n\nA note.")
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {len(table.COLUMNS) + 1}
