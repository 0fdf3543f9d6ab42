"""The index rate is chosen by what was measured, kept in the voice, used where none is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rvc.audio import io
from rvc.config import KIT
from rvc.dataset.filelist import Clip
from rvc.errors import MissingModel
from rvc.infer.matching import INDEX_RATE
from rvc.infer.matching import index_rate as used
from rvc.infer.voice import Voice
from rvc.nets import voice_file
from rvc.train import index_rate

DEMO = KIT / "demo"


def test_more_of_the_index_needs_a_reason() -> None:
    assert index_rate.chosen({0.0: (0.9, 0.10), 0.3: (0.903, 0.10), 0.75: (0.9, 0.2)}) == 0.0
    assert index_rate.chosen({0.0: (0.9, 0.10), 0.3: (0.93, 0.11), 0.75: (0.94, 0.2)}) == 0.3
    assert index_rate.chosen({0.0: (0.5, 0.10), 0.3: (0.6, 0.11), 0.75: (0.8, 0.2)}) == 0.75


def test_content_is_lost_where_frames_say_something_else() -> None:
    said = np.eye(4, dtype=np.float32)
    assert index_rate.content_lost(said, said) == pytest.approx(0)
    assert index_rate.content_lost(said, said[::-1]) == pytest.approx(1)
    assert index_rate.content_lost(said, np.repeat(said, 2, axis=0)[:5]) > 0.2


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A copy of the demo voice of which nothing was measured."""
    made = voice_file.read_voice(DEMO / "demo.pth")
    made.meta.pop("index_rate", None)
    voice_file.write_voice(tmp_path / "voice.pth", made)
    return tmp_path / "voice.pth"


@pytest.fixture
def own(tmp_path: Path) -> list[Clip]:
    wave, rate_hz = io.load(DEMO / "sample.flac")
    io.save(tmp_path / "own.wav", wave[:rate_hz], rate_hz)
    none = tmp_path / "none.npy"
    return [Clip("0_0_0", tmp_path / "own.wav", none, none, none, 0, 100)]


def test_the_rate_is_written_into_the_voice_and_used(
    voice: Path, own: list[Clip], tmp_path: Path
) -> None:
    heard: list[int] = []

    def likeness(wave: np.ndarray) -> np.ndarray:
        """One direction for the speaker's clip and the last result, another for the others."""
        heard.append(len(wave))
        return np.array([1.0, 0.0] if len(heard) in (1, 4) else [0.0, 1.0])

    before = voice_file.read_voice(voice)
    index = DEMO / "demo.index"
    assert used(before) == INDEX_RATE
    assert index_rate.settle([voice], index, own, "-", make_likeness=lambda: likeness) == 0.75
    assert len(heard) == 1 + len(index_rate.RATES)
    loaded = Voice(voice, index)
    assert used(loaded.file) == 0.75
    assert used(loaded.file, 0.0) == 0
    after = voice_file.read_voice(voice)
    assert after.meta == before.meta | {"index_rate": 0.75}
    assert all(after.weights[key].equal(value) for key, value in before.weights.items())
    assert index_rate.settle([voice], index, own, "-", make_likeness=lambda: likeness) == 0.75
    assert len(heard) == 1 + len(index_rate.RATES), "what is known is not measured again"


def test_without_a_judge_nothing_is_claimed(voice: Path, own: list[Clip]) -> None:
    def missing() -> index_rate.Likeness:
        raise MissingModel("The judge is not installed.", "Install it.")

    before = voice.read_bytes()
    found = index_rate.settle([voice], DEMO / "demo.index", own, "-", make_likeness=missing)
    assert found is None
    assert voice.read_bytes() == before
