"""core.py realtime file: a user's recording through the very session, with its figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rvc.audio import io
from tests import fakes, tiny
from tests.conftest import Finished
from tests.realtime.conftest import decibels, sung


@pytest.mark.parametrize("chunk_ms", [7, 250])
def test_a_file_is_converted_as_if_it_were_spoken(
    fake_networks: fakes.FakeEmbedder,
    cli: Callable[..., Finished],
    tmp_path: Path,
    chunk_ms: int,
) -> None:
    voice = tiny.voice(tmp_path / "v.pth", sample_rate=24000, vocoder="lite")
    io.save(tmp_path / "in.wav", sung(1.0, 44100), 44100)
    line = ["realtime", "file", "--pth-path", voice, "--input-path", tmp_path / "in.wav"]
    done = cli(*line, "--chunk-ms", chunk_ms, "--seed", 1, "--json")
    assert done.code == 0, done.err
    figures = done.json["figures"]
    assert figures["delay_ms"] == 80 + 80 + figures["head_room_ms"]
    assert figures["late"] == 0
    sound, rate = io.load(tmp_path / "in_live.wav")
    delay = rate * figures["delay_ms"] // 1000
    assert abs(len(sound) - rate - delay) <= 1
    assert decibels(sound[delay + rate // 4 :]) > -60
    assert not sound[: max(0, delay - rate // 5)].any()


def test_without_voice_or_recording_a_sentence_says_so(
    cli: Callable[..., Finished], tmp_path: Path
) -> None:
    done = cli("realtime", "file")
    assert done.code == 3
    assert "--input-path" in done.err
    io.save(tmp_path / "in.wav", sung(0.1), 16000)
    done = cli("realtime", "file", "--input-path", tmp_path / "in.wav")
    assert done.code == 3
    assert "--pth-path" in done.err
