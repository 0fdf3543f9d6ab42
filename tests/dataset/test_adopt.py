"""A folder of another program goes on without the recordings it was made from, or says how."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvc.dataset import adopt, filelist, manifest
from rvc.errors import StageFailed
from tests.train import tiny
from tests.train.make import HOP, RATE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As Applio leaves it: no manifest, paths of another machine, silent clips of its own."""
    made = tiny.voice(tmp_path, monkeypatch, clips=30)
    listed = (made / "filelist.txt").read_text().replace(f"{made}/", "/home/ann/Applio/logs/v/")
    mute = "/home/ann/Applio/logs/mute"
    listed += f"\n{mute}/sliced_audios/mute40000.wav|{mute}/extracted/mute.npy|"
    listed += f"{mute}/f0/mute.wav.npy|{mute}/f0_voiced/mute.wav.npy|0"
    (made / "filelist.txt").write_text(listed)
    (made / "manifest.json").unlink()
    return made


def test_slices_and_features_are_judged_and_trained_on(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = tiny.run(tiny.params(total_epoch=1))
    assert result["epoch"] == 1
    assert "another program" in caplog.text
    slices, extracted = (manifest.require(folder, stage) for stage in ("preprocess", "extract"))
    assert len(slices.outputs) == len(extracted.outputs) == 30
    assert slices.details["total_seconds"] == pytest.approx(30)
    assert extracted.fingerprint["embedder"] == "contentvec"
    assert manifest.extracted(folder).outputs == extracted.outputs
    before = (folder / "manifest.json").read_bytes()
    adopt.adopt(folder)
    assert (folder / "manifest.json").read_bytes() == before


def test_what_is_broken_is_left_out_and_too_much_of_it_refused(folder: Path) -> None:
    (folder / "sliced_audios" / "0_3_0.wav").write_bytes(b"no sound")
    np.save(folder / "extracted" / "0_4_0.npy", np.zeros((3, 8), np.float32))
    adopt.adopt(folder)
    slices, extracted = (manifest.require(folder, stage) for stage in ("preprocess", "extract"))
    assert [f.file for f in slices.failures] == ["0_3_0.wav"]
    assert [f.file for f in extracted.failures] == ["0_4_0.wav"]
    names = {clip.name for clip in filelist.read_filelist(folder, HOP, RATE)}
    assert names == {f"0_{i}_0" for i in range(30)} - {"0_3_0", "0_4_0"}
    (folder / "manifest.json").unlink()
    for i in range(10):
        (folder / "sliced_audios" / f"0_{i}_0.wav").write_bytes(b"no sound")
    with pytest.raises(StageFailed, match=r"10 of 30 failed.*0_0_0\.wav"):
        adopt.adopt(folder)
    assert not (folder / "manifest.json").exists()


def test_without_features_or_their_embedder_only_the_slices_count(folder: Path) -> None:
    info = json.loads((folder / "model_info.json").read_text())
    del info["embedder_model"]
    (folder / "model_info.json").write_text(json.dumps(info))
    adopt.adopt(folder)
    assert len(manifest.require(folder, "preprocess").outputs) == 30
    with pytest.raises(StageFailed, match="extract"):
        tiny.run(tiny.params())


def test_a_folder_of_rvc_is_told_a_way_that_works(folder: Path) -> None:
    shutil.rmtree(folder / "sliced_audios")
    (folder / "0_gt_wavs").mkdir()
    with pytest.raises(StageFailed, match="experiment of RVC") as caught:
        tiny.run(tiny.params())
    assert "--dataset-path" in caught.value.hint
    assert "0_gt_wavs --cut-preprocess Skip" in caught.value.hint
