"""From recordings to slices: nothing is lost, nothing stale stays, every fault is named."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc import Report, errors, params, silent, tasks, workers
from rvc.audio import Info, encode, io
from rvc.config import REPOSITORY
from rvc.dataset import lock, manifest, preprocess, slices
from rvc.dataset.scan import scan
from rvc.dataset.slices import Outcome
from rvc.errors import BadInput, Busy, Cancelled, StageFailed
from tests.conftest import Cli

pytestmark = pytest.mark.usefixtures("home")  # nothing is written into the checkout

RATE = 16000


def speech(seconds: float = 2.0, seed: int = 0, hz: float = 140) -> np.ndarray:
    """A buzz that swells like syllables, with silence at the end."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6)) * 0.1
    wave = wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) + 0.001 * rng.standard_normal(len(t))
    return wave.astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A dataset of three recordings by one speaker."""
    folder = tmp_path / "data"
    for i, seconds in enumerate((2.0, 4.0, 7.5)):
        add(folder, f"{'abc'[i]}.wav", speech(seconds, i))
    return folder


def add(
    folder: Path, name: str, wave: np.ndarray, rate: int = RATE, subtype: str = "FLOAT"
) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, subtype)
    return path


def run(data: Path, report: Report = silent, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"model_name": "voice", "sample_rate": 32000, "cpu_cores": 1} | options
    return tasks.run("preprocess", params.Preprocess(dataset_path=data, **given), report)


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "logs" / "voice"


def names(folder: Path, sub: str = "sliced_audios") -> list[str]:
    return sorted(f.name for f in (folder / sub).iterdir())


def stamps(folder: Path) -> dict[str, int]:
    return {f.name: f.stat().st_mtime_ns for f in (folder / "sliced_audios").iterdir()}


def derive(folder: Path) -> None:
    """What extraction and training would leave for every slice."""
    for sub in ("f0", "f0_voiced", "extracted"):
        (folder / sub).mkdir(exist_ok=True)
    for name in names(folder):
        stem = name.removesuffix(".wav")
        (folder / "f0" / f"{name}.npy").write_bytes(b"x")
        (folder / "f0_voiced" / f"{name}.npy").write_bytes(b"x")
        (folder / "extracted" / f"{stem}.npy").write_bytes(b"x")
        (folder / "sliced_audios" / f"{stem}.spec.pt").write_bytes(b"x")
    (folder / "filelist.txt").write_text("old")


def derived_stems(folder: Path) -> set[str]:
    return {
        f.name.split(".")[0]
        for sub in ("f0", "f0_voiced", "extracted", "sliced_audios", "sliced_audios_16k")
        for f in (folder / sub).iterdir()
    }


def test_slices_files_and_records(data: Path, folder: Path) -> None:
    result = run(data)
    made = names(folder)
    assert made == names(folder, "sliced_audios_16k")
    assert len(made) == result["slices"] == 1 + 2 + 3
    for name in made:
        wave, rate = soundfile.read(folder / "sliced_audios" / name, dtype="float32")
        low, low_rate = soundfile.read(folder / "sliced_audios_16k" / name, dtype="float32")
        assert (rate, low_rate) == (32000, 16000)
        assert len(low) == pytest.approx(len(wave) / 2, abs=1)
        assert len(wave) <= 3.3 * 32000
    info = io.info(folder / "sliced_audios" / made[0])
    assert (info.codec, info.channels) == ("FLOAT", 1)
    described = json.loads((folder / "model_info.json").read_text())
    assert described["total_seconds"] == pytest.approx(13.5)
    assert described["total_dataset_duration"] == "00:00:13"
    assert json.loads((folder / "config.json").read_text())["data"]["sample_rate"] == 32000
    stage = manifest.require(folder, "preprocess")
    assert sorted(stage.outputs) == made
    assert stage.inputs == 3


def test_no_sound_is_lost(data: Path, folder: Path) -> None:
    """Overlapping slices of one recording, laid side by side, hold every sample of it."""
    run(data, cut_preprocess="Simple", overlap_len=0, chunk_len=2.5, sample_rate=32000)
    whole, _ = io.load(data / "c.wav", 32000)
    parts = [soundfile.read(folder / f"sliced_audios/0_2_{i}.wav")[0] for i in range(3)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


def test_a_breath_survives_preprocessing(tmp_path: Path, folder: Path) -> None:
    rng = np.random.default_rng(0)
    pause, breath = np.zeros(RATE), rng.standard_normal(RATE // 2) * 10 ** (-45 / 20)
    add(tmp_path / "d", "a.wav", np.concatenate([speech(), pause, breath, pause, speech()]))
    run(tmp_path / "d")
    found = [soundfile.read(folder / "sliced_audios" / name)[0] for name in names(folder)]
    heard = np.concatenate(found)
    power = np.mean(heard[: len(heard) // 3200 * 3200].reshape(-1, 3200) ** 2, axis=1)
    levels = 10 * np.log10(power + 1e-12)
    assert ((levels > -48) & (levels < -42)).sum() >= 4


def test_skip_keeps_each_recording_whole(data: Path, folder: Path) -> None:
    run(data, cut_preprocess="Skip")
    assert names(folder) == ["0_0_0.wav", "0_1_0.wav", "0_2_0.wav"]
    assert io.info(folder / "sliced_audios/0_2_0.wav").seconds == pytest.approx(7.5)


def test_same_again_does_nothing(data: Path, folder: Path) -> None:
    run(data)
    derive(folder)
    before = stamps(folder)
    result = run(data)
    assert stamps(folder) == before
    assert result["up_to_date"] == 3
    assert result["cut"] == 0
    assert (folder / "filelist.txt").exists()
    os.utime(data / "a.wav")  # touched, not changed
    assert run(data)["cut"] == 0


@pytest.mark.parametrize(
    "option",
    [
        {"sample_rate": 40000},
        {"cut_preprocess": "Simple"},
        {"process_effects": True},
        {"normalization_mode": "post"},
        {"noise_reduction": True},
    ],
)
def test_a_changed_option_leaves_nothing_of_the_old_run(
    data: Path, folder: Path, option: dict[str, Any]
) -> None:
    run(data)
    derive(folder)
    (folder / "G_100.pth").write_bytes(b"mine")
    old = set(names(folder))
    result = run(data, **option)
    assert result["cut"] == 3
    assert not old & set(names(folder))
    assert {n.split(".")[0] for n in names(folder)} == derived_stems(folder)
    assert not (folder / "filelist.txt").exists()
    assert (folder / "G_100.pth").exists()
    rate = option.get("sample_rate", 32000)
    assert json.loads((folder / "config.json").read_text())["data"]["sample_rate"] == rate
    assert {io.info(folder / "sliced_audios" / n).rate for n in names(folder)} == {rate}


def test_only_what_changed_is_done_again(data: Path, folder: Path) -> None:
    run(data)
    derive(folder)
    before = stamps(folder)
    add(data, "b.wav", speech(3.2, 9))
    add(data, "aa.wav", speech(1.0, 5))
    (data / "c.wav").unlink()
    result = run(data)
    assert (result["cut"], result["up_to_date"], result["removed"]) == (2, 1, 1)
    after = stamps(folder)
    kept = {n for n in after if n.startswith("0_0_")}
    assert kept
    assert all(after[n] == before[n] for n in kept)
    old = {n for n in before if not n.startswith("0_0_")}
    assert not old & set(after)  # neither their slices nor their pitch and features
    assert derived_stems(folder) == {n.split(".")[0] for n in names(folder)}


def test_a_lost_slice_is_made_again(data: Path, folder: Path) -> None:
    run(data)
    (folder / "sliced_audios_16k" / "0_1_0.wav").unlink()
    assert run(data)["cut"] == 1
    assert names(folder) == names(folder, "sliced_audios_16k")


def test_speakers_by_number_and_by_name(tmp_path: Path, folder: Path) -> None:
    data = tmp_path / "d"
    for name in ("3/a.wav", "anna/b.wav", "bo ø/deep/c.wav", "2024/d.wav"):
        add(data, name, speech(1))
    result = run(data)
    assert result["speakers"] == {"0": "2024", "1": "anna", "2": "bo ø", "3": "3"}
    assert [n.split("_")[0] for n in names(folder)] == ["0", "1", "2", "3"]
    assert json.loads((folder / "model_info.json").read_text())["speakers"]["1"] == "anna"
    shutil.rmtree(data / "2024")
    add(data, "aaron/e.wav", speech(1))
    again = run(data)
    assert again["speakers"] == {"0": "aaron", "1": "anna", "2": "bo ø", "3": "3"}
    assert again["cut"] == 1


def test_files_beside_folders_are_speaker_zero(tmp_path: Path) -> None:
    add(tmp_path, "a.wav", speech(1))
    add(tmp_path, "anna/b.wav", speech(1))
    found = scan(tmp_path)
    assert {r.key: r.speaker for r in found.recordings} == {"a.wav": 0, "anna/b.wav": 1}


def test_hidden_and_foreign_files_are_left_alone(data: Path) -> None:
    (data / "notes.txt").write_text("hello")
    (data / "._a.wav").write_bytes(b"x")
    (data / "__MACOSX").mkdir()
    (data / "__MACOSX" / "a.wav").write_bytes(b"x")
    found = scan(data)
    assert len(found.recordings) == 3
    assert found.ignored == 1


@pytest.mark.parametrize("extension", ["flac", "mp3", "ogg", "opus", "m4a"])
def test_formats(tmp_path: Path, folder: Path, extension: str) -> None:
    (tmp_path / "d").mkdir()
    io.save(tmp_path / "d" / f"a.{extension}", speech(2), RATE)
    assert run(tmp_path / "d")["total_seconds"] == pytest.approx(2, abs=0.07)


@pytest.mark.parametrize("name", ["日本 語 dir", "ñ ' \" x"])
def test_any_path_from_any_directory(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = tmp_path / name / "data"
    add(data, f"{name}.wav", speech(1))
    monkeypatch.setenv("RVC_HOME", str(tmp_path / name / "home"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run(data, model_name="声 1")
    assert (tmp_path / name / "home/logs/声 1/sliced_audios/0_0_0.wav").is_file()
    monkeypatch.chdir(tmp_path / name)
    run(Path("data"), model_name="relative")
    assert (tmp_path / name / "home/logs/relative/sliced_audios/0_0_0.wav").is_file()


def test_levels() -> None:
    quiet, loud = speech() / 4, speech() * 20
    assert slices.normalised(quiet).max() / quiet.max() == pytest.approx(
        0.675 / np.abs(quiet).max() + 0.25, rel=1e-3
    )
    assert np.abs(slices.normalised(loud)).max() == pytest.approx(0.925, abs=1e-3)
    assert not slices.normalised(np.zeros(9, np.float32)).any()


@pytest.mark.parametrize("mode", ["pre", "post"])
def test_loud_and_silent_recordings_do_not_break_normalisation(
    tmp_path: Path, folder: Path, mode: str
) -> None:
    data = tmp_path / "d"
    add(data, "loud.wav", speech(4) * 12)
    wave = speech(9)
    wave[3 * RATE : 6 * RATE] = 0
    add(data, "pause.wav", wave)
    run(data, normalization_mode=mode)
    for name in names(folder):
        wave, _ = soundfile.read(folder / "sliced_audios" / name)
        assert np.isfinite(wave).all()
        assert 0.5 < np.abs(wave).max() < 1.05


def test_processes_give_what_one_does(
    data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data)
    single = {n: (folder / "sliced_audios" / n).read_bytes() for n in names(folder)}
    monkeypatch.setattr(workers, "WORTHWHILE_S", 1)
    ticks = []
    result = run(
        data, lambda *tick: ticks.append(tick), cpu_cores=2, model_name="other", sample_rate=32000
    )
    other = folder.with_name("other")
    assert result["slices"] == len(single)
    assert {n: (other / "sliced_audios" / n).read_bytes() for n in names(other)} == single
    assert ticks[-1][:2] == (13.5, 13.5)
    assert [t[0] for t in ticks] == sorted(t[0] for t in ticks)


def test_a_long_recording_is_shared_out_and_loses_nothing(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = np.concatenate([speech(3, i) for i in range(8)])
    add(tmp_path / "d", "long.flac", wave, subtype="PCM_16")
    monkeypatch.setattr(slices, "PART_S", 5)
    monkeypatch.setattr(slices, "REACH_S", 1)
    job = slices.split(
        tmp_path / "d/long.flac",
        "long",
        "0_0",
        slices.Options(RATE, "Simple", 1, 0, False, None, ""),
        folder,
    )
    assert len(job) == 4
    found = [list(slices._parts(j, slices.Outcome("x"))) for j in job]
    joined = np.concatenate([part[0] for parts in found for part in parts])
    np.testing.assert_allclose(joined, wave, atol=1e-4)
    run(tmp_path / "d", sample_rate=32000)
    total = sum(io.info(folder / "sliced_audios" / n).seconds for n in names(folder))
    assert total >= 24 - 0.5


# ---- bad input -----------------------------------------------------------------------------


def nan(path: Path) -> None:
    soundfile.write(path, np.full(RATE, np.nan, np.float32), RATE, "FLOAT")


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda p: p.touch(), "is empty"),
        (lambda p: p.write_text("no sound at all\n" * 99), "not audio"),
        (lambda p: p.write_bytes(os.urandom(5000)), "not audio"),
        (lambda p: soundfile.write(p, np.zeros(0), RATE), "length is zero"),
        (lambda p: soundfile.write(p, np.zeros(5 * RATE), RATE), "is silent"),
        (nan, "not numbers"),
    ],
)
def test_a_bad_recording_alone_is_an_error_that_names_it(
    tmp_path: Path, folder: Path, make: Callable[[Path], object], cause: str
) -> None:
    (tmp_path / "d").mkdir()
    make(tmp_path / "d" / "bad.wav")
    with pytest.raises(StageFailed, match=cause) as caught:
        run(tmp_path / "d")
    assert "bad.wav" in caught.value.message
    assert manifest.stage(folder, "preprocess") is None
    assert names(folder) == []


def test_one_bad_recording_among_many_is_reported_and_the_rest_is_done(
    tmp_path: Path, folder: Path
) -> None:
    for i in range(20):
        add(tmp_path / "d", f"{i:02}.wav", speech(0.6, i))
    (tmp_path / "d" / "bad.wav").write_text("text")
    result = run(tmp_path / "d")
    assert result["slices"] == 20
    assert [f["file"] for f in result["failures"]] == ["bad.wav"]
    for i in range(21):
        (tmp_path / "d" / f"worse {i}.wav").write_text("text")
    with pytest.raises(StageFailed, match="22 of 42"):
        run(tmp_path / "d")
    assert len(names(folder)) == 20  # the earlier set is whole
    assert len(manifest.require(folder, "preprocess").outputs) == 20


def test_a_bad_stretch_costs_only_its_slice(tmp_path: Path, folder: Path) -> None:
    wave = speech(12)
    wave[5 * RATE : 5 * RATE + 9] = np.nan
    add(tmp_path / "d", "a.wav", wave)
    result = run(tmp_path / "d", process_effects=True)
    assert result["slices"] >= 3
    assert any("not numbers" in text for text in result["warnings"])
    for name in names(folder):
        assert np.isfinite(soundfile.read(folder / "sliced_audios" / name)[0]).all()


def test_a_clipped_recording_is_named_and_kept(tmp_path: Path) -> None:
    add(tmp_path / "d", "hot.wav", np.clip(speech() * 30, -1, 1), subtype="PCM_16")
    result = run(tmp_path / "d")
    assert any("hot.wav: clipped" in text for text in result["warnings"])
    assert result["slices"] == 1


@pytest.mark.parametrize("samples", [1, 2, 100, 5000])
@pytest.mark.parametrize("cut", ["Automatic", "Simple", "Skip"])
def test_tiny_recordings(tmp_path: Path, folder: Path, samples: int, cut: str) -> None:
    add(tmp_path / "d", "a.wav", speech(1))
    for i in range(5):
        add(tmp_path / "d", f"tiny {i}.wav", speech(1)[1000 : 1000 + samples] + 0.1)
    result = run(
        tmp_path / "d", cut_preprocess=cut, process_effects=True, normalization_mode="post"
    )
    long_enough = samples > slices.SHORTEST_S * RATE
    assert result["slices"] == (6 if long_enough else 1)
    assert result["left_out"] == ({} if long_enough else {"too short": 5})
    assert ("5 too short" in result["message"]) == (not long_enough)
    wave, _ = soundfile.read(folder / "sliced_audios/0_0_0.wav")
    assert np.isfinite(wave).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [("nowhere", "does not exist"), ("file", "not a folder"), ("empty", "holds no recordings")],
)
def test_bad_datasets(tmp_path: Path, home: Path, given: str, says: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=says):
        run(tmp_path / given)
    assert not (home / "logs").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "", "a\0b", "/etc", "x" * 99])
def test_bad_names_touch_nothing(data: Path, home: Path, name: str) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        run(data, model_name=name)
    assert list(home.iterdir()) == []


def test_nul_in_the_dataset_path(home: Path) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        run(Path("a\0b"))


def test_full_disk_keeps_the_old_set(
    data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data)
    derive(folder)
    before = {f: f.read_bytes() for f in folder.rglob("*") if f.is_file() and f.name != ".lock"}
    real, room = encode.write_float, [3]

    def full(path: Path, wave: np.ndarray, rate: int) -> None:
        room[0] -= 1
        if room[0] < 0:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, wave, rate)

    monkeypatch.setattr(encode, "write_float", full)
    with pytest.raises(errors.StorageFailed, match="No space left while writing .*sliced_audios"):
        run(data, sample_rate=48000)
    after = {f: f.read_bytes() for f in folder.rglob("*") if f.is_file() and f.name != ".lock"}
    assert after == before


def test_cancel_keeps_the_old_set(data: Path, folder: Path) -> None:
    run(data)
    before = stamps(folder)

    def stop(done: float, total: float, note: str = "") -> None:
        if done > 2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        run(data, stop, sample_rate=48000)
    assert stamps(folder) == before
    assert run(data)["cut"] == 0


def test_leftovers_of_a_killed_run_never_come_back(data: Path, folder: Path) -> None:
    run(data)
    for sub in ("sliced_audios", "sliced_audios_16k"):
        shutil.copy(folder / sub / "0_0_0.wav", folder / sub / "0_7_0.wav")
    (folder / "sliced_audios" / "mute40000.wav").write_bytes(b"mine")
    run(data)
    assert "0_7_0.wav" not in names(folder)
    assert "mute40000.wav" in names(folder)


def test_two_at_once_is_refused(data: Path, folder: Path) -> None:
    with ThreadPoolExecutor(1) as pool, lock.hold(folder), pytest.raises(Busy):
        pool.submit(run, data).result()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_home(data: Path, home: Path) -> None:
    home.chmod(0o500)
    with pytest.raises(errors.StorageFailed, match="Not allowed"):
        run(data)


def crash(job: slices.Uncut) -> Outcome:
    if job.key == "b.wav":
        os._exit(11)
    return slices.work(job)


def test_a_crash_of_the_decoder_costs_one_recording(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORTHWHILE_S", 1)
    monkeypatch.setattr(preprocess, "work", crash)
    monkeypatch.setattr(manifest, "FAILURE_LIMIT", 0.5)
    monkeypatch.setattr(manifest, "judge", lambda *_, **__: None)
    result = run(data, cpu_cores=2)
    assert [f["file"] for f in result["failures"]] == ["b.wav"]
    assert "crashed the decoder" in result["failures"][0]["cause"]
    assert result["slices"] == 1 + 3


def test_workers_load_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, rvc.dataset.slices, rvc.workers;"
        "sys.exit(str([m for m in ('torch', 'scipy', 'librosa', 'av', 'pydantic') "
        "if m in sys.modules] or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stderr.strip() == ""


def test_speed_of_one_minute(tmp_path: Path) -> None:
    """Not a benchmark: a minute of sound must never take the time it lasts."""
    add(tmp_path / "d", "a.wav", np.concatenate([speech(5, i) for i in range(12)]))
    began = time.monotonic()
    run(tmp_path / "d")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("dataset", "name", "code"),
    [("nowhere", "voice", 3), ("text", "voice", 5), ("data", "../voice", 3), ("data", "voice", 0)],
)
def test_exit_codes(
    data: Path, tmp_path: Path, cli: Cli, dataset: str, name: str, code: int
) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.wav").write_text("text")
    done = cli(
        "preprocess", "--model-name", name, "--dataset-path", tmp_path / dataset,
        "--sample-rate", 32000,
    )  # fmt: skip
    assert done.code == code
    if code:
        assert "Error: " in done.err
        assert "Hint: " in done.err
        assert "Traceback" not in done.err
    else:
        assert "6 slices" in done.out


def test_no_permission_is_a_sentence(
    data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(errors.StorageFailed, match="Not allowed to write"):
        run(data)


def test_an_unreadable_recording_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = io.info

    def refuse(path: Path, track: int | None = None) -> Info:
        if path.name == "b.wav":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, track)

    monkeypatch.setattr(io, "info", refuse)
    result = run(data)
    assert [f["file"] for f in result["failures"]] == ["b.wav"]
    assert "Not allowed to" in result["message"]
    assert "b.wav" in result["message"]


@pytest.mark.parametrize("kind", ["silent", "empty", "dangling"])
def test_a_take_without_sound_is_left_out_and_named(
    tmp_path: Path, folder: Path, kind: str
) -> None:
    add(tmp_path / "d", "good.wav", speech(1))
    for i in range(3):
        bad = tmp_path / "d" / f"z{i}.wav"
        if kind == "silent":
            soundfile.write(bad, np.zeros(RATE), RATE)
        elif kind == "empty":
            bad.touch()
        else:
            bad.symlink_to(tmp_path / "nowhere.wav")
    result = run(tmp_path / "d")
    assert (result["slices"], result["speakers"]) == (1, {"0": "0"})
    assert "1 recordings" in result["message"]
    assert "z0.wav" in result["message"]
    assert result["left_out"] == {"silent" if kind == "silent" else "empty": 3}
    assert run(tmp_path / "d")["left_out"] == result["left_out"]


@pytest.mark.parametrize(
    "name",
    [
        "#recycle",
        "$RECYCLE.BIN",
        "@eaDir",
        "lost+found",
        "~snapshot",
        "System Volume Information",
        ".Trash-1000",
    ],
)
def test_folders_of_systems_are_nobodys_voice(tmp_path: Path, folder: Path, name: str) -> None:
    add(tmp_path / "d", "a.wav", speech(1))
    add(tmp_path / "d", f"{name}/deleted.wav", speech(1, 1))
    add(tmp_path / "d", f"sub/{name}/deleted.wav", speech(1, 1))
    (tmp_path / "d" / "Thumbs.db").write_bytes(b"x")
    result = run(tmp_path / "d")
    assert (result["slices"], len(result["speakers"])) == (1, 1)
    assert sorted(result["system_folders"]) == sorted([name, f"sub/{name}"])
    assert f"{name}/" in result["message"]
    assert result["other_files"] == {}


def test_other_files_are_counted_and_sound_is_known_by_its_content(
    tmp_path: Path, folder: Path
) -> None:
    add(tmp_path / "d", "a.wav", speech(1))
    add(tmp_path, "b.wav", speech(1)).rename(tmp_path / "d" / "b.take")
    (tmp_path / "d" / "notes.txt").write_text("hello")
    (tmp_path / "d" / "README").write_text("hello")
    result = run(tmp_path / "d")
    assert result["slices"] == 2
    assert result["other_files"] == {".txt": 1, "without ending": 1}
    assert "2 other file(s)" in result["message"]


def test_folders_by_chapter_are_one_speaker_when_said(tmp_path: Path, folder: Path) -> None:
    for name in ("1/a.wav", "chapter two/b.wav"):
        add(tmp_path / "d", name, speech(1))
    result = run(tmp_path / "d")
    assert len(result["speakers"]) == 2
    assert "--speakers one" in result["message"]
    again = run(tmp_path / "d", speakers="one")
    assert again["speakers"] == {"0": "0"}
    assert "one speaker" in again["message"]
    assert all(name.startswith("0_") for name in names(folder))
