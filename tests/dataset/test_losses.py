"""What preprocess could not read of a recording stands in its result and in the manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc import params, silent, tasks
from rvc.dataset import manifest
from rvc.separation import stems
from tests.audio import damage
from tests.audio.test_damage import loudest_hz, two_tracks


def test_each_cut_or_joined_recording_is_listed(tmp_path: Path, home: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("whole", "cut"):
        damage.write("wav16", data / f"{name}.wav", 6.0)
    made = (data / "cut.wav").read_bytes()
    (data / "cut.wav").write_bytes(made[: len(made) // 2])
    wave = damage.song(4.0, 24000, 1)[:, 0]
    soundfile.write(data / "opposite.wav", np.stack([wave, -wave], axis=1), 24000)
    asked = params.Preprocess(dataset_path=data, model_name="v", sample_rate=24000, cpu_cores=1)
    result = tasks.run("preprocess", asked, silent)
    assert list(result["losses"]) == ["cut.wav"]
    [loss] = result["losses"]["cut.wav"]
    assert loss["at_s"] == pytest.approx(3, abs=0.01)
    assert loss["seconds"] == pytest.approx(3, abs=0.01)
    assert result["total_seconds"] == pytest.approx(6 + 3 + 4, abs=0.01)
    assert "1 recording(s) are damaged" in result["message"]
    assert any(text.startswith("opposite.wav") for text in result["warnings"])
    stage = manifest.stage(home / "logs" / "v", "preprocess")
    assert stage is not None
    assert stage.details["sources"]["cut.wav"]["losses"] == [loss]
    assert stage.details["sources"]["opposite.wav"]["slices"]


def test_flac_of_unknown_length_takes_no_time(tmp_path: Path, home: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path = data / "a.flac"
    damage.write("flac", path, 3.0)
    made = bytearray(path.read_bytes())
    made[21] &= 0xF0  # the 36 bits of "total samples"
    made[22:26] = bytes(4)
    path.write_bytes(made)
    asked = params.Preprocess(dataset_path=data, model_name="v", sample_rate=32000, cpu_cores=1)
    result = tasks.run("preprocess", asked, silent)
    assert result["total_seconds"] == pytest.approx(3, abs=0.01)


def test_the_reports_name_it(tmp_path: Path, home: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    damage.write("wav16", data / "cut.wav", 6.0)
    damage.write("wav16", data / "whole.wav", 6.0)
    made = (data / "cut.wav").read_bytes()
    (data / "cut.wav").write_bytes(made[: len(made) // 2])
    report = tasks.run("dataset-report", params.DatasetReport(folder=data, cpu_cores=1), silent)
    rows = {row["file"]: row for row in report["recordings"]}
    assert rows["cut.wav"]["losses"][0]["seconds"] == pytest.approx(3, abs=0.01)
    assert "damaged" in rows["cut.wav"]["flags"]
    assert rows["whole.wav"]["losses"] == []
    assert any("1 recordings are damaged or cut off" in one["text"] for one in report["findings"])
    asked = params.AudioAnalyzer(input_path=data / "cut.wav", output_path=tmp_path / "a.png")
    described = tasks.run("audio-analyzer", asked, silent)
    assert described["losses"] == rows["cut.wav"]["losses"]
    assert "3.00 s is missing" in described["message"]


@pytest.mark.parametrize(("track", "hz"), [(None, 220), (2, 880)])
def test_the_track_that_is_asked_for_is_read_of_every_recording(
    tmp_path: Path, home: Path, track: int | None, hz: int
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    two_tracks(data / "film.mkv", 0)
    soundfile.write(data / "one.wav", damage.song(6.0, 24000, 1), 24000)
    asked = params.Preprocess(
        dataset_path=data, model_name="v", sample_rate=24000, cpu_cores=1, track=track
    )
    result = tasks.run("preprocess", asked, silent)
    stage = manifest.stage(home / "logs" / "v", "preprocess")
    assert stage is not None
    sources = stage.details["sources"]
    for name in sources["film.mkv"]["slices"]:
        wave, rate = soundfile.read(home / "logs" / "v" / "sliced_audios" / name)
        assert loudest_hz(wave, rate) == pytest.approx(hz, abs=2)
    assert sources["film.mkv"]["slices"]
    assert any(f"track {track or 1} of 2" in text for text in result["warnings"])
    refused = sources["one.wav"]["cause"]
    assert ("there is no track 2" in refused) == (track == 2)
    report = tasks.run(
        "dataset-report", params.DatasetReport(folder=data, cpu_cores=1, track=track), silent
    )
    rows = {row["file"]: row for row in report["recordings"]}
    assert any(f"track {track or 1} of 2" in text for text in rows["film.mkv"]["notes"])
    assert report["left_out"]["recordings"] == ({"one.wav": refused} if refused else {})


def test_another_track_gives_other_slices(tmp_path: Path, home: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    two_tracks(data / "film.mkv", 0)
    digests = set()
    for track in (1, 2):
        asked = params.Preprocess(
            dataset_path=data, model_name="v", sample_rate=24000, cpu_cores=1, track=track
        )
        tasks.run("preprocess", asked, silent)
        [slices] = [sorted((home / "logs" / "v" / "sliced_audios").glob("*.wav"))]
        digests.add(b"".join(path.read_bytes() for path in slices))
    assert len(digests) == 2


@pytest.mark.parametrize("track", [1, 2])
def test_one_recording_is_described_and_separated_by_its_track(
    tmp_path: Path, home: Path, track: int
) -> None:
    film = tmp_path / "film.mkv"
    two_tracks(film, 0)
    asked = params.AudioAnalyzer(input_path=film, output_path=tmp_path / "a.png", track=track)
    described = tasks.run("audio-analyzer", asked, silent)
    assert any(f"track {track} of 2" in text for text in described["notes"])
    song = stems.scan(film, track=track)
    wave = np.concatenate(list(song.blocks()))[:, 0]
    assert loudest_hz(wave, song.rate) == (220, 880)[track - 1]
