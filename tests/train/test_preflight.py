"""The founding bug, stage by stage: nothing may pretend, and each refusal names its cause."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from rvc import f0
from rvc.dataset import extract, manifest
from rvc.dataset.filelist import Clip
from rvc.embedders.embedder import Embedder
from rvc.embedders.manager import EmbedderManager, forget
from rvc.errors import Mismatch, StageFailed, VoiceError
from rvc.train import preflight
from tests.dataset import slices
from tests.dataset.test_extract import options
from tests.embedders import tiny_embedders
from tests.train import make, tiny


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tiny.voice(home, monkeypatch, clips=12)
    monkeypatch.setattr(preflight, "LEAST_SPEECH_S", 10.0)
    return made


def refused(kind: type[VoiceError], words: str) -> VoiceError:
    started = time.monotonic()
    with pytest.raises(kind, match=words) as failure:
        tiny.run(tiny.params())
    assert time.monotonic() - started < 5
    assert failure.value.hint
    return failure.value


def names(folder: Path) -> list[str]:
    return [line.split("|")[0] for line in (folder / "filelist.txt").read_text().splitlines()]


def nothing_was_made(folder: Path) -> bool:
    made = [*folder.glob("*.pt*"), *folder.glob("*.index"), *folder.glob("metrics.jsonl")]
    return not made and manifest.stage(folder, "train") is None


def test_enough_speech_trains(folder: Path) -> None:
    result = tiny.run(tiny.params(total_epoch=1))
    assert result["epoch"] == 1


def test_only_silent_clips_in_the_list(folder: Path) -> None:
    mute = folder / "mute"
    for sub in ("sliced_audios", "extracted", "f0", "f0_voiced"):
        shutil.copytree(folder / sub, mute / sub)
    line = make.clip(mute, "mute40000", seconds=3.0)
    (folder / "filelist.txt").write_text("\n".join([line] * 40))
    assert "extract" in refused(StageFailed, "only silent clips.*extract").message
    assert nothing_was_made(folder)


def test_only_silence_in_the_recordings(folder: Path) -> None:
    for file in names(folder):
        wave, rate = soundfile.read(file)
        noise = 1e-4 * np.random.default_rng(0).standard_normal(len(wave))
        soundfile.write(file, noise, rate, "FLOAT")
    refused(StageFailed, "only silence in all clips")
    assert nothing_was_made(folder)


def test_less_than_ten_seconds(folder: Path) -> None:
    for file in names(folder)[:4]:
        wave, rate = soundfile.read(file)
        soundfile.write(file, wave * 0, rate, "FLOAT")
    found = refused(StageFailed, r"only 8\.0 s of sound in all clips; at least 10 s")
    assert "preprocess" in found.hint
    assert nothing_was_made(folder)


def test_preprocessed_again_without_extracting(folder: Path) -> None:
    belongs(folder, {"data": "abc"})
    manifest.record(folder, manifest.Stage("preprocess", {"data": "new"}, outputs=["x"]))
    assert "extract" in refused(Mismatch, "preprocessed anew after").hint


def belongs(folder: Path, fingerprint: dict[str, Any], finished: str = "") -> None:
    """Record both stages as of the same slices."""
    slices = manifest.Stage("preprocess", fingerprint, outputs=["x"], finished=finished)
    manifest.record(folder, slices)
    done = manifest.require(folder, "extract")
    done.fingerprint["preprocess"] = manifest.digest(fingerprint)
    manifest.record(folder, done)


def test_a_clock_that_was_put_back_between_the_stages_hinders_nothing(folder: Path) -> None:
    """Summer time ends, or the folder comes from another time zone: digests decide, not clocks."""
    belongs(folder, {"data": "abc"}, finished="2999-01-01T00:00:00")
    assert tiny.run(tiny.params(total_epoch=1))["epoch"] == 1


def test_a_stale_file_list(folder: Path) -> None:
    done = manifest.require(folder, "extract")
    done.outputs = done.outputs[:5]
    manifest.record(folder, done)
    refused(Mismatch, "extract knows nothing of")


def test_features_of_another_width_than_recorded(folder: Path) -> None:
    """1024 recorded, 768 there, or the other way round: before anything is written."""
    done = manifest.require(folder, "extract")
    done.fingerprint["width"] = 1024
    manifest.record(folder, done)
    refused(Mismatch, "8 wide, but extract recorded 1024")
    assert nothing_was_made(folder)


def test_features_of_two_embedders(folder: Path) -> None:
    np.save(folder / "extracted/0_3_0.npy", np.zeros((49, 20), np.float32))
    refused(Mismatch, "0_3_0.npy has features of another width")


def test_features_of_another_recording(folder: Path) -> None:
    np.save(folder / "extracted/0_3_0.npy", np.zeros((20, 8), np.float32))
    refused(Mismatch, "0_3_0.npy has 20 frames where the sound has 49")


def test_never_extracted(folder: Path) -> None:
    manifest.forget(folder, "extract")
    refused(StageFailed, "extract stage has not been done")


def test_an_hour_is_judged_in_seconds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c, d = (folder / n for n in "abcd")
    clips = [Clip("0_0_0", a, b, c, d, 0, 300)] * 1200

    def loud_s(_: object) -> float:
        time.sleep(0.01)
        return 0.0

    monkeypatch.setattr(preflight, "_loud_s", loud_s)
    started = time.monotonic()
    with pytest.raises(StageFailed, match="of 1200 clips listened to"):
        preflight._sound(clips)
    assert time.monotonic() - started < 4


class Broken:
    """An embedder that raises for chosen slices, as LayerNorm in half precision did."""

    def __init__(self, inner: Embedder, bad: Sequence[int]) -> None:
        self.inner, self.bad, self.spec = inner, bad, inner.spec
        self.count = 0

    def batch(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        out = []
        for wave in waves:
            if any(abs(len(wave) - n) < 1 for n in self.bad):
                raise RuntimeError("\"LayerNormKernelImpl\" not implemented for 'Half'")
            out += self.inner.batch([wave])
        return out


@pytest.fixture
def large(tmp_path: Path) -> Path:
    forget()
    return tiny_embedders.write(
        tmp_path / "large", tiny_embedders.SHAPES["hubert-large"], normalize=True
    )


@pytest.fixture
def many(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """363 slices, as in the report; every one has a length of its own."""
    folder, found = slices.preprocessed(home, 363, seconds=0.1)
    rng = np.random.default_rng(0)
    for number, name in enumerate(found):
        wave = 0.1 * rng.standard_normal(1600 + number)
        soundfile.write(folder / f"sliced_audios_16k/{name}.wav", wave, 16000, "FLOAT")
    monkeypatch.setattr(f0, "load", slices.fake_pitch)
    return folder


@pytest.mark.parametrize(
    ("bad", "fails"), [(range(363), True), (range(0, 363, 10), True), ([7], False)]
)
def test_363_files_where_all_or_a_tenth_or_one_fail(
    bad: Sequence[int],
    fails: bool,
    many: Path,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = EmbedderManager().load("custom", large)
    broken = Broken(inner, [1600 + n for n in bad])
    cpu = torch.device("cpu")
    monkeypatch.setattr(extract, "load_embedders", lambda p, report: [(broken, cpu)])
    if fails:
        with pytest.raises(StageFailed, match="LayerNormKernelImpl"):
            extract.run(options())
        assert manifest.stage(many, "extract") is None
        assert not (many / "filelist.txt").exists()
        return
    result = extract.run(options())
    assert result["slices"] == 362
    assert "0_7_0.wav" in result["message"]
    assert "LayerNormKernelImpl" in caplog.text


def test_input_norm_in_half_precision_on_cpu_extracts_every_file(
    many: Path, large: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What failed for all 363 files: HuBERT-large's input norm, half precision, no GPU."""
    (many.parents[1] / "assets").mkdir(exist_ok=True)
    (many.parents[1] / "assets/config.json").write_text(json.dumps({"precision": "fp16"}))
    result = extract.run(
        options(embedder_model="custom", embedder_model_custom=str(large), gpu="-")
    )
    assert result["slices"] == 363
    assert result["failures"] == []
    assert len([r for r in caplog.records if "fp16" in r.message]) == 1
