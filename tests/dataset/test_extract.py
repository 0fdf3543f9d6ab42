"""The verb `extract`: what it writes, how it goes on, and that it cannot pretend."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from rvc import f0, params
from rvc.dataset import extract, manifest, slice_features
from rvc.errors import Cancelled, Mismatch, MissingModel, StageFailed
from rvc.f0 import contour
from rvc.params.train import Extract
from rvc.train import index
from tests.conftest import Cli
from tests.dataset.slices import FakeEmbedder, Spec, fake_pitch, preprocessed

CPU = torch.device("cpu")
Models = Callable[[FakeEmbedder], FakeEmbedder]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    """Replace the models; `models(embedder)` puts another embedder in."""

    def use(embedder: FakeEmbedder) -> FakeEmbedder:
        monkeypatch.setattr(extract, "load_embedders", lambda p, report: [(embedder, CPU)])
        return embedder

    monkeypatch.setattr(f0, "load", fake_pitch)
    use(FakeEmbedder())
    return use


def options(**more: Any) -> Extract:
    base = {"model_name": "voice", "sample_rate": 40000, "f0_method": "fcpe", "cpu_cores": 2}
    return params.Extract(**{**base, **more})


def test_writes_what_applio_writes(home: Path, models: Models) -> None:
    folder, names = preprocessed(home, 3)
    result = extract.run(options())
    assert result["slices"] == result["redone"] == 3
    for name in names:
        features, coarse, voiced = (np.load(f) for f in slice_features.paths(folder, name))
        assert (features.dtype, features.shape) == (np.float32, ((8000 - 400) // 320 + 1, 12))
        assert (coarse.dtype, coarse.shape) == (np.int64, (8000 // 160 + 1,))
        assert (voiced.dtype, voiced.shape) == (np.float32, coarse.shape)
        assert np.array_equal(coarse, contour.coarse(voiced))
    info = json.loads((folder / "model_info.json").read_text())
    assert (info["embedder_model"], info["speakers_id"]) == ("fake", 1)
    assert json.loads((folder / "config.json").read_text())["data"]["sample_rate"] == 40000


def test_the_file_list_has_applios_form(home: Path, models: Models) -> None:
    _, names = preprocessed(home, 4, speakers=(0, 5))
    extract.run(options(include_mutes=2))
    text = (home / "logs/voice/filelist.txt").read_text()
    assert not text.endswith("\n")
    lines = text.split("\n")
    for n in names:
        assert (
            f"sliced_audios/{n}.wav|extracted/{n}.npy|f0/{n}.wav.npy|f0_voiced/{n}.wav.npy|{n[0]}"
        ) in lines
    silent = [line.split("|") for line in lines if line.startswith("mute/")]
    assert sorted(line[4] for line in silent) == ["0", "0", "5", "5"]
    assert len(lines) == 8
    assert all(
        (home / "logs/voice" / part).is_file() for line in lines for part in line.split("|")[:4]
    )
    info = json.loads((home / "logs/voice/model_info.json").read_text())
    assert info["speakers_id"] == 6  # the table needs a row 5


def test_the_silent_clip_is_made_with_the_embedder_in_use(home: Path, models: Models) -> None:
    models(FakeEmbedder(Spec(width=20)))
    preprocessed(home, 2)
    extract.run(options())
    mute = home / "logs/voice/mute"
    wave, rate = soundfile.read(mute / "sliced_audios/mute40000.wav")
    assert (rate, len(wave), wave.any()) == (40000, 120000, False)
    assert np.load(mute / "extracted/mute.npy").shape == (149, 20)
    assert (np.load(mute / "f0/mute.wav.npy") == 1).all()
    assert not np.load(mute / "f0_voiced/mute.wav.npy").any()


def test_rmvpe_pitch_is_double_as_applios(home: Path, models: Models) -> None:
    folder, names = preprocessed(home, 1)
    file = home / "rvc/models/predictors/rmvpe.pt"
    file.parent.mkdir(parents=True)
    file.touch()  # the stand-in does not read it
    extract.run(options(f0_method="rmvpe"))
    assert np.load(slice_features.paths(folder, names[0])[2]).dtype == np.float64


def test_a_missing_pitch_model_is_named_before_anything_is_loaded(
    home: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessed(home, 1)
    monkeypatch.setattr(extract, "load_embedders", None)
    with pytest.raises(MissingModel, match=r"rmvpe\.pt"):
        extract.run(options(f0_method="hybrid[crepe+rmvpe]"))


def test_a_second_run_does_nothing_anew(home: Path, models: Models) -> None:
    preprocessed(home, 4)
    extract.run(options())
    embedder = models(FakeEmbedder())
    assert extract.run(options())["redone"] == 0
    assert embedder.calls == 1  # the silent clip


def test_another_method_redoes_the_pitch_and_not_the_features(home: Path, models: Models) -> None:
    folder, names = preprocessed(home, 3)
    extract.run(options(include_mutes=0))
    embedder = models(FakeEmbedder())
    extract.run(options(f0_method="swift-f0", include_mutes=0))
    assert embedder.calls == 0
    assert (np.load(slice_features.paths(folder, names[0])[2]) == 100).all()


def test_another_embedder_redoes_all_features(home: Path, models: Models) -> None:
    folder, names = preprocessed(home, 3)
    extract.run(options())
    models(FakeEmbedder(Spec(name="other", width=5, digest="e")))
    extract.run(options())
    assert {np.load(slice_features.paths(folder, n)[0]).shape[1] for n in names} == {5}
    assert manifest.require(folder, "extract").fingerprint["width"] == 5


def test_changed_and_vanished_slices_are_noticed(home: Path, models: Models) -> None:
    folder, names = preprocessed(home, 4)
    extract.run(options())
    before = manifest.require(folder, "extract").fingerprint["slices"]
    preprocessed(home, 3, seconds=0.6)
    result = extract.run(options())
    assert (result["slices"], result["redone"]) == (3, 3)
    assert not any(file.exists() for file in slice_features.paths(folder, names[3]))
    assert manifest.require(folder, "extract").fingerprint["slices"] != before


def test_slices_made_anew_forbid_the_old_features(home: Path, models: Models) -> None:
    folder, _ = preprocessed(home, 2)
    extract.run(options())
    assert manifest.extracted(folder).outputs
    again = manifest.require(folder, "preprocess")
    again.fingerprint["data"] = "other recordings"
    manifest.record(folder, again)
    with pytest.raises(Mismatch, match="preprocessed anew"):
        index.run(params.Index(model_name="voice"))
    extract.run(options())
    assert index.run(params.Index(model_name="voice"))["rows"] == 48


def test_a_stray_slice_is_not_taken(home: Path, models: Models) -> None:
    folder, _ = preprocessed(home, 2)
    soundfile.write(folder / "sliced_audios_16k/0_99_0.wav", np.ones(8000) * 0.1, 16000)
    assert extract.run(options())["slices"] == 2


@pytest.mark.parametrize("damage", ["cut", "gone", "journal"])
def test_a_damaged_result_is_made_again(home: Path, models: Models, damage: str) -> None:
    folder, names = preprocessed(home, 3)
    extract.run(options())
    file = slice_features.paths(folder, names[1])[0]
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:200])
    elif damage == "gone":
        file.unlink()
    else:
        journal = folder / slice_features.JOURNAL
        journal.write_text(journal.read_text()[:-20])
    assert extract.run(options())["redone"] == 1
    assert np.load(file).shape[1] == 12


def test_stopped_in_the_middle_it_goes_on_later(home: Path, models: Models) -> None:
    folder, _ = preprocessed(home, 30, seconds=0.1)

    def stop(done: float, total: float, note: str = "") -> None:
        if done >= 5:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        extract.run(options(cpu_cores=1), stop)
    assert manifest.stage(folder, "extract") is None
    result = extract.run(options())
    assert result["slices"] == 30
    assert result["redone"] <= 25


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_too_many_failures_are_an_error(home: Path, models: Models, share: float) -> None:
    folder, _ = preprocessed(home, 40, seconds=0.1)
    models(FakeEmbedder(bad=range(int(40 * share))))
    with pytest.raises(StageFailed, match=r"First: 0_\d+_0\.wav: LayerNorm"):
        extract.run(options())
    assert manifest.stage(folder, "extract") is None


def test_one_failure_of_363_is_named_and_left_out(
    home: Path, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = preprocessed(home, 363, seconds=0.05)
    models(FakeEmbedder(bad=[17]))
    result = extract.run(options())
    assert result["slices"] == 362
    assert result["failures"] == ["0_17_0.wav: LayerNorm is not implemented for wave 17"]
    assert "0_17_0.wav" in result["message"]
    assert "0_17_0.wav" in caplog.text
    assert "0_17_0" not in (folder / "filelist.txt").read_text()
    assert [f.file for f in manifest.require(folder, "extract").failures] == ["0_17_0.wav"]


def test_all_of_363_failing_is_given_up_soon(home: Path, models: Models) -> None:
    preprocessed(home, 363, seconds=0.05)
    embedder = models(FakeEmbedder(bad=range(363)))
    with pytest.raises(StageFailed):
        extract.run(options())
    assert embedder.calls < 100


def test_features_that_are_no_numbers_are_a_failure(home: Path, models: Models) -> None:
    preprocessed(home, 2)
    models(FakeEmbedder(nan=[0, 1]))
    with pytest.raises(StageFailed, match="not numbers"):
        extract.run(options())


@pytest.mark.parametrize(
    ("content", "cause"),
    [(np.zeros(0), "shorter"), (np.full(8000, np.nan), "not numbers"), (None, "cannot be read")],
)
def test_a_bad_slice_is_named(
    home: Path, models: Models, content: np.ndarray | None, cause: str
) -> None:
    folder, names = preprocessed(home, 40, seconds=0.1)
    file = folder / "sliced_audios_16k" / f"{names[3]}.wav"
    if content is None:
        file.write_bytes(b"not a wave")
    else:
        soundfile.write(file, content, 16000, "FLOAT")
    result = extract.run(options())
    assert names[3] in result["failures"][0]
    assert cause in result["failures"][0]


def test_a_full_disk_ends_the_stage_at_once(
    home: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessed(home, 5)

    def full(file: Path, values: np.ndarray) -> None:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(slice_features, "save", full)
    with pytest.raises(OSError, match="No space"):
        extract.run(options())


def test_slices_of_another_rate_are_refused(home: Path, models: Models) -> None:
    preprocessed(home, 2)
    with pytest.raises(Mismatch, match="sample_rate was 40000 and is now 48000"):
        extract.run(options(sample_rate=48000))


def test_without_preprocess_it_says_so(home: Path, models: Models) -> None:
    with pytest.raises(StageFailed, match="preprocess"):
        extract.run(options())


def test_threads_do_not_change_the_result_and_are_given_back(home: Path, models: Models) -> None:
    folder, names = preprocessed(home, 6)
    before = torch.get_num_threads()
    extract.run(options(cpu_cores=1))
    alone = [np.load(slice_features.paths(folder, n)[0]) for n in names]
    for n in names:
        slice_features.paths(folder, n)[0].unlink()
    extract.run(options(cpu_cores=4))
    together = [np.load(slice_features.paths(folder, n)[0]) for n in names]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert torch.get_num_threads() == before


def test_groups_of_a_gpu_find_the_slice_at_fault(
    home: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessed(home, 40, seconds=0.1)
    embedder = FakeEmbedder(bad=[11])
    meta = torch.device("meta")
    monkeypatch.setattr(extract, "load_embedders", lambda p, report: [(embedder, meta)])
    result = extract.run(options())
    assert (result["slices"], len(result["failures"])) == (39, 1)
    assert "0_11_0" in result["failures"][0]


def test_several_gpus_share_the_slices(
    home: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = preprocessed(home, 40, seconds=0.1)
    counts: dict[int, int] = {}

    class Counting(FakeEmbedder):
        def batch(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
            counts[id(self)] = counts.get(id(self), 0) + len(waves)
            return super().batch(waves)

    gpus = [(Counting(), torch.device("meta")), (Counting(), torch.device("meta"))]
    monkeypatch.setattr(extract, "load_embedders", lambda p, report: gpus)
    assert extract.run(options(include_mutes=0))["slices"] == 40
    assert sorted(counts.values()) == [16, 24]  # groups of eight in turns
    assert all(slice_features.intact(slice_features.paths(folder, n)[0]) for n in names)


def test_the_command_line_runs_it(cli: Cli, home: Path, models: Models) -> None:
    preprocessed(home, 2)
    done = cli("extract", "--model-name", "voice", "--sample-rate", 40000, "--f0-method", "fcpe",
               "--json")  # fmt: skip
    assert (done.code, done.json["slices"]) == (0, 2)
