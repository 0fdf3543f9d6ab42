"""What a recording lacks, and what was decided about it, stands in the result of its conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc import silent
from rvc.errors import BadInput
from rvc.infer import batch, infer
from rvc.infer.convert import convert
from rvc.infer.voice import Voice
from rvc.params import BatchInfer, Conversion, Infer
from tests.audio.test_damage import two_tracks
from tests.infer.conftest import sung

RATE = 16000


def converted(
    voice: Voice, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, **options: Any
) -> dict[str, Any]:
    caplog.clear()
    p = Conversion(gpu="-", seed=1, **options)
    return infer.convert(source, tmp_path / "out.wav", voice, p, lambda *_: None)


def test_a_cut_recording_is_named_everywhere(
    voice: Voice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soundfile.write(tmp_path / "a.wav", sung(3), RATE)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[: len(data) // 2])
    result = converted(voice, tmp_path / "a.wav", tmp_path, caplog)
    assert result["seconds"] == pytest.approx(1.5, abs=0.01)
    [loss] = result["losses"]
    assert loss["at_s"] == pytest.approx(1.5, abs=0.01)
    assert loss["seconds"] == pytest.approx(1.5, abs=0.01)
    assert "missing" in loss["why"]
    assert "1.50 s is missing" in result["message"]
    assert "1.50 s is missing" in caplog.text


def test_a_sound_recording_has_no_losses(
    voice: Voice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soundfile.write(tmp_path / "a.wav", sung(1), RATE)
    result = converted(voice, tmp_path / "a.wav", tmp_path, caplog)
    assert result["losses"] == result["notes"] == []
    assert "Note" not in result["message"]


@pytest.mark.parametrize("stereo", ["mono", "mid"])
def test_opposite_channels_are_converted_and_said(
    voice: Voice, stereo: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wave = sung(2)
    soundfile.write(tmp_path / "a.wav", np.stack([wave, -wave], axis=1), RATE)
    soundfile.write(tmp_path / "b.wav", wave, RATE)
    alone = converted(voice, tmp_path / "b.wav", tmp_path, caplog)
    expected, _ = soundfile.read(alone["output_path"])
    result = converted(voice, tmp_path / "a.wav", tmp_path, caplog, stereo=stereo)
    found, _ = soundfile.read(result["output_path"], always_2d=True)
    for channel in found.T:
        assert np.sqrt(np.mean(channel**2)) == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.3)
    assert any("opposite" in note for note in result["notes"])
    assert "opposite" in result["message"]


@pytest.mark.parametrize(("rate", "count"), [(44100, 1), (96000, 2), (192000, 5), (16000, 1)])
def test_the_shortest_recordings_are_converted_or_refused(
    voice: Voice, rate: int, count: int
) -> None:
    try:
        made, _ = convert(voice, np.full(count, 0.1, np.float32), rate)
    except BadInput as error:
        short = "too short" in error.message
        assert short  # noqa: PT017 - one of two outcomes
    else:
        assert len(made)
        assert np.isfinite(made).all()


@pytest.mark.parametrize(("ending", "channels"), [("mp3", 3), ("flac", 9), ("m4a", 9)])
def test_a_result_that_cannot_be_written_is_refused_before_the_work(
    voice: Voice, ending: str, channels: int, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([sung(1)] * channels, axis=1), RATE)
    phases: list[str] = []
    p = Conversion.model_validate({"gpu": "-", "stereo": "each", "export_format": ending.upper()})
    target = tmp_path / "out" / f"b.{ending}"
    with pytest.raises(BadInput, match=f"holds at most .* not {channels}"):
        infer.convert(
            tmp_path / "a.wav", target, voice, p, lambda *said: phases.append(str(said[2]))
        )
    assert phases == []
    assert not target.parent.exists()


def test_a_long_result_is_rf64(
    voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rvc.audio import encode

    monkeypatch.setattr(encode, "WAV_LIMIT", 20_000)
    soundfile.write(tmp_path / "a.wav", sung(2), RATE)
    result = converted(voice, tmp_path / "a.wav", tmp_path, caplog)
    with open(result["output_path"], "rb") as file:
        assert file.read(4) == b"RF64"


@pytest.mark.parametrize(("track", "hz"), [(None, 220), (1, 220), (2, 880)])
def test_the_track_that_is_asked_for_is_converted(
    voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, track: int | None, hz: int
) -> None:
    """Of a recording, of its loudest part, and of every recording in a folder."""
    monkeypatch.setattr("rvc.infer.voice.load", lambda *_: voice)
    films = tmp_path / "films"
    films.mkdir()
    two_tracks(films / "film.mkv", 0)
    curve, out = tmp_path / "pitch.csv", tmp_path / "out.wav"
    given: dict[str, Any] = {"pth_path": Path("v.pth"), "gpu": "-", "track": track}
    p = Infer(input_path=films / "film.mkv", output_path=out, f0_export=curve, **given)
    result = infer.infer(p, lambda *_: None)
    found = [float(line.split(",")[1]) for line in curve.read_text().splitlines()[10:200]]
    assert np.median(found) == pytest.approx(hz, rel=0.02)
    assert any(f"track {track or 1} of 2" in note for note in result["notes"])
    assert f"track {track or 1} of 2" in result["message"]
    short = p.model_copy(update={"f0_export": None, "preview_s": 1.0})
    assert any(f"track {track or 1} of 2" in n for n in infer.infer(short, silent)["notes"])
    every = BatchInfer(input_folder=films, output_folder=tmp_path / "all",
                       **given | {"pth_path": (Path("v.pth"),)})  # fmt: skip
    [made] = batch.batch_infer(every, silent)["converted"]
    assert made["notes"] == result["notes"]


def test_a_track_that_is_not_there_fails_before_the_work(
    voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rvc.infer.voice.load", lambda *_: voice)
    two_tracks(tmp_path / "film.mkv", 0)
    p = Infer(input_path=tmp_path / "film.mkv", output_path=tmp_path / "out.wav",
              pth_path=Path("v.pth"), gpu="-", track=3)  # fmt: skip
    with pytest.raises(BadInput, match="has 2 audio tracks, there is no track 3"):
        infer.infer(p, silent)
    assert not (tmp_path / "out.wav").exists()
