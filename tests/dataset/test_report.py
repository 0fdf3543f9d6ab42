"""The report finds what is wrong with a dataset, and does not find what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc import params, tasks
from rvc.audio import io
from rvc.dataset.report import duplicates
from rvc.dataset.report.measure import Measured, Unheard, measure
from rvc.dataset.report.report import judged
from rvc.errors import BadInput, Cancelled
from tests.conftest import Cli
from tests.dataset import faults

RATE = 16000
MALE, FEMALE = (110, (600, 1100, 2500)), (210, (750, 1400, 2900))


def speech(
    seconds: float = 4.0,
    seed: int = 0,
    voice: tuple[int, tuple[int, ...]] = FEMALE,
    noise_db: float = -75,
    rate: int = RATE,
    level: float = 0.2,
) -> np.ndarray:
    """Syllables with gliding pitch and changing vowels, pauses between them, and room noise."""
    rng = np.random.default_rng(seed)
    f0_hz, formants = voice
    t = np.arange(round(seconds * rate)) / rate
    bend = np.interp(t, np.arange(0, seconds + 1, 0.25), rng.normal(0, 2, int(seconds * 4) + 4))
    phase = 2 * np.pi * np.cumsum(f0_hz * 2 ** (bend / 12)) / rate
    times = np.arange(0, seconds + 1, 0.2)
    shift = np.interp(t, times, rng.uniform(0.75, 1.3, len(times)))
    wave = np.zeros(len(t))
    for k in range(1, int(7000 / f0_hz)):
        gain = sum(1 / (1 + ((k * f0_hz - f * shift) / 150) ** 2) for f in formants)
        wave += gain * np.sin(k * phase)
    times = np.arange(0, seconds + 1, 0.15)
    gate = np.interp(t, times, rng.random(len(times)))
    wave *= np.clip(gate * 2 - 0.5, 0, 1)
    wave *= level / np.sqrt(np.mean(wave**2))
    return (wave + 10 ** (noise_db / 20) * rng.standard_normal(len(t))).astype(np.float32)


def save(folder: Path, name: str, wave: np.ndarray, rate: int = RATE) -> Path:
    folder.mkdir(exist_ok=True)
    io.save(folder / name, wave, rate)
    return folder / name


def listen(path: Path) -> Measured:
    return measure(Unheard(path, path.name))


def report(folder: Path, tmp_path: Path, **options: Any) -> dict[str, Any]:
    p = params.DatasetReport(folder=folder, output_folder=tmp_path / "out", cpu_cores=1, **options)
    return tasks.run("dataset-report", p)


def said(result: dict[str, Any], severity: str | None = None) -> str:
    return " ".join(f["text"] for f in result["findings"] if severity in (None, f["severity"]))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good minute of one voice."""
    folder = tmp_path_factory.mktemp("set") / "clean"
    for i in range(14):
        save(folder, f"{i:02}.wav", speech(5, i))
    return folder


def test_one_clean_voice_gets_no_complaint_but_its_length(clean: Path, tmp_path: Path) -> None:
    result = report(clean, tmp_path)
    assert said(result, "bad") == ""
    assert "too little" not in said(result)
    assert said(result, "warning").count("minutes") == 1
    assert result["grade"] == "usable"
    total = result["totals"]
    assert total["minutes"] == pytest.approx(70 / 60, abs=0.01)
    assert total["f0_hz"]["median"] == pytest.approx(210, rel=0.08)
    assert total["unreadable"] == 0
    assert result["copies"] == []
    assert result["different"] == []
    assert json.loads((tmp_path / "out" / "report.json").read_text())["grade"] == "usable"
    assert (tmp_path / "out" / "report.png").read_bytes().startswith(b"\x89PNG")
    assert result["message"].endswith(".")


def test_a_second_speaker_is_suspected_and_named(clean: Path, tmp_path: Path) -> None:
    found = [listen(path) for path in sorted(clean.iterdir())]
    for i in range(6):
        found.append(listen(save(tmp_path / "m", f"male{i}.wav", speech(5, 50 + i, MALE))))
    result = judged(found)
    assert "second speaker" in said(result, "bad")
    assert result["different"] == [f"male{i}.wav" for i in range(6)]
    assert result["grade"] == "poor"


def test_speakers_in_folders_of_their_own_are_no_strangers(clean: Any, tmp_path: Path) -> None:
    found = [listen(path) for path in sorted(clean.iterdir())]
    for i in range(6):
        found.append(listen(save(tmp_path / "m", f"male{i}.wav", speech(5, 50 + i, MALE))))
    owners = {one.key: int(one.key.startswith("male")) for one in found}
    result = judged(found, owners)
    assert result["different"] == []
    assert result["speakers_s"] == {"0": pytest.approx(70, 0.01), "1": pytest.approx(30, 0.01)}


def test_what_was_left_out_is_said_and_folders_may_be_chapters(clean: Any, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for chapter in "ab":
        save(tmp_path / "set" / chapter, "0.wav", speech(5, ord(chapter)))
    (tmp_path / "set" / "notes.txt").write_text("no sound")
    (tmp_path / "set" / "#recycle").mkdir()
    result = report(tmp_path / "set", tmp_path)
    assert "#recycle/, 1 other file(s) (1 .txt)" in result["message"]
    assert result["left_out"]["other_files"] == {".txt": 1}
    assert set(result["speakers_s"]) == {"0", "1"}
    assert set(report(tmp_path / "set", tmp_path, speakers="one")["speakers_s"]) == {"0"}


@pytest.mark.parametrize("change", ["mp3", "quiet", "trimmed"])
def test_copies_are_found_however_they_are_stored(clean: Path, tmp_path: Path, change: str) -> None:
    wave, _ = io.load(clean / "03.wav")
    copy = {"mp3": wave, "quiet": wave * 0.2, "trimmed": wave[12345:]}[change]
    path = save(tmp_path / "c", "copy.mp3" if change == "mp3" else "copy.wav", copy)
    found = [listen(p) for p in [*sorted(clean.iterdir())[:8], path]]
    assert duplicates.copies(found) == [("03.wav", path.name)]


def test_equal_files_are_copies_even_when_silent(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        save(tmp_path / "s", name, np.full(100, 1e-4, np.float32))
    found = [listen(tmp_path / "s" / name) for name in ("a.wav", "b.wav")]
    assert duplicates.copies(found) == [("a.wav", "b.wav")]


def test_noise_is_measured(tmp_path: Path) -> None:
    for noise_db in (-60, -40):
        found = listen(save(tmp_path / "n", f"{-noise_db}.wav", speech(8, 1, noise_db=noise_db)))
        assert found.floor_db == pytest.approx(noise_db, abs=2)
        assert found.speech_db == pytest.approx(-14, abs=4)
    assert "noise lies only" in said(judged([found]))


def test_clipping_is_seen_also_when_turned_down(tmp_path: Path) -> None:
    hot = np.clip(speech() * 8, -0.9, 0.9)
    assert listen(save(tmp_path / "d", "hot.wav", hot)).clipped > 0.01
    assert listen(save(tmp_path / "d", "low.wav", hot * 0.5)).clipped > 0.01
    assert listen(save(tmp_path / "d", "fine.wav", speech(level=0.1))).clipped < 1e-4


@pytest.mark.parametrize("limit_hz", [4000, 8000])
def test_bandwidth_is_that_of_the_content_not_of_the_file(tmp_path: Path, limit_hz: int) -> None:
    from rvc.audio.stream import resample

    noise = np.random.default_rng(0).standard_normal(44100 * 3).astype(np.float32) * 0.05
    wave = resample(resample(noise, 44100, 2 * limit_hz), 2 * limit_hz, 44100)
    found = listen(save(tmp_path / "d", "a.wav", wave, 44100))
    assert found.bandwidth_hz == pytest.approx(limit_hz, rel=0.06)
    assert "no brighter" in said(judged([found]))


def test_music_is_not_speech(tmp_path: Path) -> None:
    t = np.arange(RATE) / RATE
    chords = [
        sum(np.sin(2 * np.pi * f * k * t) / k for f in notes for k in (1, 2, 3)) * 0.05
        for notes in ((330, 415, 494), (392, 494, 587), (349, 440, 523))
    ]
    found = listen(save(tmp_path / "d", "song.wav", np.concatenate(chords * 2).astype(np.float32)))
    assert "music" in said(judged([found]))
    assert listen(save(tmp_path / "d", "talk.wav", speech(6))).steady < 0.02


def test_pitch_is_measured_not_guessed(tmp_path: Path) -> None:
    for hz in (80, 120, 240, 600):
        t = np.arange(2 * RATE) / RATE
        wave = 0.1 * np.sum([np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6)], axis=0)
        found = listen(save(tmp_path / "d", f"{hz}.wav", wave.astype(np.float32)))
        assert np.median(found.f0_hz[found.f0_hz > 0]) == pytest.approx(hz, rel=0.01)
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.1
    found = listen(save(tmp_path / "d", "noise.wav", noise))
    assert (found.f0_hz > 0).mean() < 0.1


def test_bad_files_are_named_and_the_rest_is_judged(clean: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    save(folder, "good.wav", speech())
    (folder / "text.wav").write_text("not sound")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, "FLOAT")
    soundfile.write(folder / "one.wav", np.full(1, 0.3), RATE)
    result = report(folder, tmp_path)
    causes = {row["file"]: row["cause"] for row in result["recordings"]}
    assert "not audio" in causes["text.wav"]
    assert "is empty" in causes["empty.wav"]
    assert "silent" in causes["silent.wav"]
    assert "not numbers" in causes["nan.wav"]
    assert causes["good.wav"] == ""
    assert "4 of 6 files" in said(result)
    json.dumps(result, allow_nan=False)


def test_the_verdict_says_how_many_recordings_it_is_about(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    for i in range(3):
        save(folder, f"good{i}.wav", speech(5, i))
    whole = report(folder, tmp_path)
    assert whole["message"].endswith(" 3 recordings judged.")
    assert whole["totals"]["judged"] == 3
    assert whole["left_out"]["recordings"] == {}
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    for name in ("empty", "empty2", "empty3"):
        (folder / f"{name}.wav").touch()
    result = report(folder, tmp_path)
    assert " 3 recordings judged, 4 left out: " in result["message"]
    assert "empty.wav is empty (0 bytes);" in result["message"]
    assert result["message"].endswith("; and 1 more.")
    causes = result["left_out"]["recordings"]
    assert sorted(causes) == ["empty.wav", "empty2.wav", "empty3.wav", "silent.wav"]
    assert causes["silent.wav"] == "it is silent."
    assert result["totals"]["judged"] == 3
    assert result["totals"]["recordings"] == 7
    (folder / "empty.wav").unlink()
    (folder / "silent.wav").rename(folder / "0.wav")
    assert "0.wav: it is silent;" in report(folder, tmp_path)["message"]


def test_nothing_to_hear_is_said(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    soundfile.write(tmp_path / "d" / "silent.wav", np.zeros(RATE), RATE)
    result = report(tmp_path / "d", tmp_path)
    assert result["message"].startswith("Not usable")
    assert result["plot"] == ""


def test_no_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        report(tmp_path / "nowhere", tmp_path)


def test_it_can_be_stopped(clean: Path, tmp_path: Path) -> None:
    def stop(done: float, total: float, note: str = "") -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        tasks.run("dataset-report", params.DatasetReport(folder=clean), stop)


def test_long_recordings_are_measured_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rvc.dataset.report import measure as recording

    path = save(tmp_path / "d", "a.wav", speech(9, 3))
    whole = listen(path)
    monkeypatch.setattr(recording, "BLOCK_S", 3.0)
    blocks = listen(path)
    assert blocks.seconds == whole.seconds
    assert blocks.speech_db == pytest.approx(whole.speech_db, abs=0.5)
    assert np.median(blocks.f0_hz[blocks.f0_hz > 0]) == pytest.approx(
        np.median(whole.f0_hz[whole.f0_hz > 0]), rel=0.02
    )


def test_command_line(clean: Path, cli: Cli, home: Path) -> None:
    done = cli("dataset-report", clean, "--json")
    assert done.code == 0
    assert done.json["report"] == str(home / "logs" / "reports" / "clean" / "report.json")


@pytest.mark.parametrize("name", faults.FOLDERS)
def test_the_fault_of_a_folder_is_found_and_no_other(tmp_path: Path, name: str) -> None:
    """Of the made-up folders all 13 faults are found, with no false alarm in the 3 clean ones."""
    must, may, make = faults.FOLDERS[name]
    files = [save(tmp_path / "set", f"{i:02}.wav", w, faults.RATE) for i, w in enumerate(make())]
    result = judged([listen(file) for file in files])
    found = {fault for fault, words in faults.WORDS.items() if words in said(result)}
    assert set(must.split()) <= found <= {*must.split(), *may.split()}
    assert must or not said(result, "bad")
