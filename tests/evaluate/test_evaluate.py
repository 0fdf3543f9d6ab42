"""The evaluation: its arithmetic, its table, and what it says when the judges are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from rvc import params
from rvc.errors import BadInput, MissingModel
from rvc.evaluate import evaluate, judges


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b", "a x b y", 2), ("a b", "", 2)],
)
def test_word_edits(said: str, heard: str, wrong: int) -> None:
    assert judges.edits(said.split(), heard.split()) == wrong


def test_words_lose_case_and_punctuation() -> None:
    assert judges.plain("It's a well-known FACT, isn't it?") == [
        "it's",
        "a",
        "well",
        "known",
        "fact",
        "isn't",
        "it",
    ]


def test_pitch_correlation_ignores_shift_and_silence() -> None:
    a = 150 * 2 ** (0.3 * np.sin(np.arange(200) / 9))
    b = a * 1.7
    b[50:80] = 0
    assert judges.pitch_correlation(a, b) == pytest.approx(1, abs=1e-9)
    assert abs(judges.pitch_correlation(a, 150 + 40 * np.cos(np.arange(200) / 31))) < 0.5
    assert np.isnan(judges.pitch_correlation(a[:10], b[:10]))


def test_a_missing_judge_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resemblyzer", None)
    with pytest.raises(MissingModel, match="resemblyzer") as caught:
        judges.Likeness()
    assert "requirements-eval.txt" in caught.value.hint


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    p = params.Evaluate(input_folder=tmp_path, target_folder=tmp_path, pth_path=tmp_path / "a.pth")
    with pytest.raises(BadInput, match="no recordings"):
        evaluate.run(p)


def test_the_table_has_a_row_per_source_and_dashes_for_what_is_unknown() -> None:
    scores = evaluate.Scores(to_target=[0.8, 0.9], quality=[3.0], seconds=10, took_s=2)
    table = evaluate.format_table({"rms": scores.row()}, 3.25)
    assert "| rms | 2 | 0.850 | - | - | - | - | 3.000 | 0.200 |" in table
    assert "DNSMOS 3.25" in table
