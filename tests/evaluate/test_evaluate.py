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


def test_words_of_other_alphabets_are_heard_too() -> None:
    assert judges.plain("Привет, мир! Où est l\u2019été?") == [
        "привет",
        "мир",
        "où",
        "est",
        "l'été",
    ]
    assert judges.plain("今日は。") == ["今", "日", "は"]


def test_two_transcripts_agree_by_their_letters() -> None:
    assert judges.characters_wrong("Guten Tag!", "guten tag") == (0, 8)
    assert judges.characters_wrong("abcd", "abxd") == (1, 4)
    assert judges.characters_wrong("", "anything")[1] == 0  # nothing was heard to agree with


def test_a_folder_without_a_model_is_named_and_nothing_is_fetched(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    with pytest.raises(BadInput, match=r"model\.bin"):
        judges.Words(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"none")
    with pytest.raises(BadInput, match=r"tokenizer\.json"):
        judges.Words(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput, match="no Whisper model"):
        judges.Words(tmp_path)


def panel(heard: list[np.ndarray]) -> evaluate.Panel:
    """Judges that need no packages; what is asked of the judge of words is kept in `heard`."""

    def words(wave: np.ndarray, language: str | None = None) -> tuple[str, str]:
        heard.append(wave)
        return ("uno due tre" if wave[0] == 0 else "uno due"), language or "it"

    return evaluate.Panel(
        likeness=lambda wave: np.array([1.0, 0.0]),
        quality=lambda wave: 3.0,
        words=words,
        pitch=lambda wave: 100 + np.arange(30.0),
        target=np.array([1.0, 0.0]),
    )


def test_what_a_channel_spoilt_is_judged_against_what_was_said() -> None:
    heard: list[np.ndarray] = []
    judge, said, after = panel(heard), np.zeros(100), np.ones(100)
    out = judge.hear(None, said, said, after)
    assert out["disagreement"] == (3, 9)
    assert "WER" not in out
    assert len(heard) == 2
    out = judge.hear("uno due tre", said, after, said)
    assert out["WER"] == (0, 3)
    assert out["WER source"] == (1, 3)
    assert out["F0 corr"][0] == pytest.approx(1)
