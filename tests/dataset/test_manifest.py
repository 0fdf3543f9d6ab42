"""A stage cannot pretend: what the manifest refuses, remembers and survives."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rvc.dataset import manifest
from rvc.dataset.manifest import Stage
from rvc.errors import BadInput, Mismatch, StageFailed


def done(outputs: int, failures: int = 0, inputs: int | None = None) -> Stage:
    result = Stage("extract", inputs=inputs or outputs + failures)
    result.outputs = [f"{i}.npy" for i in range(outputs)]
    for i in range(failures):
        result.fail(f"bad{i}.wav", "not audio")
    return result


def test_record_comes_back_unchanged(tmp_path: Path) -> None:
    stage = Stage("preprocess", {"sample_rate": 40000}, 3, ["a"], details={"x": [1]})
    stage.fail("b.wav", ValueError("is empty"))
    manifest.record(tmp_path, stage)
    assert manifest.stage(tmp_path, "preprocess") == stage
    assert manifest.stage(tmp_path, "extract") is None


def test_recording_one_stage_keeps_the_others(tmp_path: Path) -> None:
    manifest.record(tmp_path, Stage("preprocess", outputs=["a"]))
    manifest.record(tmp_path, Stage("extract", outputs=["b"]))
    assert set(manifest.read(tmp_path)) == {"preprocess", "extract"}
    manifest.forget(tmp_path, "extract")
    assert set(manifest.read(tmp_path)) == {"preprocess"}


@pytest.mark.parametrize(("good", "bad"), [(0, 10), (9, 1), (0, 0), (94, 6)])
def test_too_many_failures_fail_the_stage(good: int, bad: int) -> None:
    with pytest.raises(StageFailed) as caught:
        manifest.judge(done(good, bad))
    if bad:
        assert "bad0.wav: not audio" in caught.value.message


@pytest.mark.parametrize(("good", "bad"), [(1, 0), (95, 5), (99, 1)])
def test_few_failures_do_not(good: int, bad: int) -> None:
    manifest.judge(done(good, bad))


def test_check_names_what_differs() -> None:
    stage = Stage("extract", {"width": 1024, "embedder": "large"})
    manifest.check(stage, {"width": 1024})
    with pytest.raises(Mismatch, match="width was 1024 and is now 768"):
        manifest.check(stage, {"width": 768, "embedder": "large"})


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="preprocess stage has not been done"):
        manifest.require(tmp_path, "preprocess")


def test_damaged_manifest_is_an_error_not_a_fresh_start(tmp_path: Path) -> None:
    (tmp_path / manifest.FILE).write_text('{"preprocess": {"outputs": ["a"', encoding="utf-8")
    with pytest.raises(BadInput, match="damaged"):
        manifest.read(tmp_path)


def test_failed_write_leaves_the_old_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest.record(tmp_path, Stage("preprocess", outputs=["a"]))
    before = (tmp_path / manifest.FILE).read_bytes()

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        manifest.record(tmp_path, Stage("extract", outputs=["b"]))
    assert (tmp_path / manifest.FILE).read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == [manifest.FILE]


def test_digest_ignores_key_order_only() -> None:
    assert manifest.digest({"a": 1, "b": 2}) == manifest.digest({"b": 2, "a": 1})
    assert manifest.digest({"a": 1}) != manifest.digest({"a": 1.5})


def test_file_digest_follows_the_content(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"x" * 3_000_000)
    b.write_bytes(b"x" * 2_999_999 + b"y")
    assert manifest.file_digest(a) != manifest.file_digest(b)


def test_manifest_is_readable_json(tmp_path: Path) -> None:
    manifest.record(tmp_path, Stage("preprocess", outputs=["日本.wav"]))
    text = (tmp_path / manifest.FILE).read_text(encoding="utf-8")
    assert "日本.wav" in text
    assert json.loads(text)["preprocess"]["outputs"] == ["日本.wav"]
