"""Held-out clips, scores, the best save, and the page at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from rvc.dataset.filelist import Clip
from rvc.errors import MissingModel
from rvc.nets import voice_file
from rvc.train import material, report, validation
from rvc.train import scores as scoring
from rvc.train.material import LEAST_CLIPS, split
from rvc.train.scores import ClipScore, Score
from rvc.train.validation import SpeakerJudges, chosen, pitch_error
from tests.train import tiny


def clip(name: str, speaker: int = 0, frames: int = 300) -> Clip:
    nowhere = Path("nowhere")
    return Clip(name, nowhere, nowhere, nowhere, nowhere, speaker, frames)


def scores(values: Iterable[float]) -> list[Score]:
    return [Score(i + 1, 10 * (i + 1), float(v), 0.0) for i, v in enumerate(values)]


def test_whole_recordings_are_held_out_where_there_are_many() -> None:
    clips = [clip(f"{s}_{r}_{i}", s) for s in (0, 3) for r in range(40) for i in range(2)]
    learn, held, gap = split([*clips, clip("mute"), clip("mute")], 0.04)
    assert not gap
    assert len(learn) + len(held) == len(clips) + 2
    for speaker in (0, 3):
        own = [c for c in held if c.speaker == speaker]
        assert 0.02 <= len(own) / 80 <= 0.06
    recordings = {c.name.rsplit("_", 1)[0] for c in held}
    assert recordings.isdisjoint({c.name.rsplit("_", 1)[0] for c in learn})


def test_slices_of_one_recording_keep_a_gap() -> None:
    clips = [clip(f"0_0_{i}") for i in range(100)]
    learn, held, gap = split(clips, 0.04)
    assert [c.name for c in gap] == ["0_0_95"]
    assert {c.name for c in held} == {f"0_0_{i}" for i in range(96, 100)}
    assert len(learn) == 95


def test_few_clips_all_train() -> None:
    clips = [clip(f"0_{i}_0") for i in range(LEAST_CLIPS - 1)]
    assert split(clips, 0.04) == (clips, [], [])
    assert split(clips * 2, 0.0) == (clips * 2, [], [])


def test_every_speaker_is_listened_to() -> None:
    held = [clip(f"{s}_{i}_0", s) for s in range(8) for i in range(5)]
    assert {c.speaker for c in chosen(held)} == set(range(8))
    assert chosen(held) == chosen(held[::-1])


def test_best_is_the_known_optimum() -> None:
    steps = np.arange(60)
    curve = 1 + (steps - 23) ** 2 / 1000  # falls, then rises: overtrained
    best = scoring.best(scores(curve))
    assert best is not None
    assert best.epoch == 24
    assert not scoring.advise_to_stop(scores(curve[:20]))
    assert scoring.advise_to_stop(scores(curve))
    falling = np.exp(-steps / 30)
    best = scoring.best(scores(falling))
    assert best is not None
    assert best.epoch == 60
    assert not any(scoring.advise_to_stop(scores(falling[:n])) for n in range(60))


def test_pitch_errors_are_semitones() -> None:
    hz = np.full(50, 200.0)
    assert pitch_error(hz, hz) == 0
    assert pitch_error(hz * 2 ** (1 / 12), hz) == pytest.approx(1)
    assert pitch_error(np.zeros(50), hz) == 12  # a voice that stays silent is no good voice
    assert pitch_error(hz, np.zeros(50)) is None


def test_every_speaker_counts_alike() -> None:
    one = scoring.score_of(3, 30, [ClipScore(0, 1.0, 2.0), ClipScore(0, 2.0, None)])
    assert (one.mel, one.f0_semitones, one.speakers) == (1.5, 2.0, None)
    several = scoring.score_of(
        3, 30, [*[ClipScore(0, 1.0, 0.0, 0.9)] * 9, ClipScore(7, 3.0, None, 0.5)], {"7": "anna"}
    )
    assert several.mel == 2.0
    assert several.similarity == pytest.approx(0.7)
    assert several.speakers is not None
    assert several.speakers["anna"] == {"mel": 3.0, "similarity": 0.5}
    assert Score(**several.as_dict()) == several


def test_judges_know_whom_they_hear() -> None:
    class Likeness:
        def __call__(self, wave: np.ndarray) -> np.ndarray:
            return np.array([np.cos(wave[0]), np.sin(wave[0])])

    judges = SpeakerJudges(Likeness, lambda: lambda wave: 3.5)
    judges.learn([(0, np.full(9, 0.1)), (0, np.full(9, 0.3)), (4, np.full(9, 1.2))])
    assert judges(0, np.full(9, 0.2)) == pytest.approx((1, 3.5))
    assert judges(4, np.full(9, 0.2)) == pytest.approx((np.cos(1), 3.5))
    assert judges(0, np.zeros(9)) == (None, None)


def test_without_the_judges_there_are_no_verdicts() -> None:
    def absent(*_: object) -> Any:
        raise MissingModel("The judge is not installed.", "Install it.")

    judges = SpeakerJudges(absent, absent)
    judges.learn([(0, np.ones(9))])
    assert judges(0, np.ones(9)) == (None, None)


def test_saves_are_rendered_scored_and_the_best_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(material, "LEAST_CLIPS", 8)
    folder = tiny.voice(tmp_path, monkeypatch, clips=8)
    p = tiny.params(total_epoch=2, holdout=0.2, batch_size=3)
    tiny.run(p, write_report=report.write)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    found = [r for r in map(json.loads, lines) if r["kind"] == "validation"]
    assert [r["epoch"] for r in found] == [1, 2]
    assert all(r["mel"] > 0 and r["f0_semitones"] == 0 for r in found)
    held = [c for c in (folder / "eval/renders/2e").glob("*.wav")]
    assert len(held) == 2
    wave, rate = soundfile.read(held[0])
    assert (rate, np.isfinite(wave).all()) == (40000, True)
    assert np.abs(wave).max() > 0
    first = min(found, key=lambda r: r["score"])
    assert voice_file.read_voice(folder / "best.pth").meta["epoch"] == first["epoch"]
    assert [s["epoch"] for s in tiny.saved(folder)["scores"]] == [1, 2]
    page = (folder / "training.html").read_text()
    assert f"The best save is epoch {first['epoch']}" in page
    assert f"eval/renders/2e/{held[0].stem}.wav" in page
    assert (folder / "training.png").read_bytes().startswith(b"\x89PNG")

    tiny.run(p.model_copy(update={"total_epoch": 3}))  # scores survive a new start
    assert [s["epoch"] for s in tiny.saved(folder)["scores"]] == [1, 2, 3]


def test_rendering_does_not_disturb_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for name in ("judged", "not"):
        monkeypatch.setattr(material, "LEAST_CLIPS", 8)
        folder = tiny.voice(tmp_path / name, monkeypatch, clips=8)
        if name == "not":
            monkeypatch.setattr(validation.Validation, "__call__", lambda *_: None)
        tiny.run(tiny.params(total_epoch=2, holdout=0.2, batch_size=6))
        ends.append(tiny.saved(folder)["g"])
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_page_without_any_save(tmp_path: Path) -> None:
    page = report.write(tmp_path, "a <b>", [{"sentence": "x & y", "hint": "", "count": 2}])
    text = page.read_text()
    assert "a &lt;b&gt;" in text
    assert "x &amp; y" in text
    assert "<b>" not in text.replace("<body>", "")
