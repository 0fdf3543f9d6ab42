"""The embedder that could never have worked: 1024 wide, input normalisation, all the way through.

Real verbs on the command line, a random chinese-hubert-large of small depth, small voice networks.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import core
from rvc import params
from rvc.config import paths
from rvc.dataset import manifest
from rvc.embedders.manager import EmbedderManager, forget
from rvc.infer import voice as voices
from rvc.nets import checkpoint, voice_file
from rvc.retrieval.index import Retriever
from rvc.train import train
from rvc.train.build import Parts
from tests.embedders import tiny_embedders as embedders
from tests.train import tiny
from tests.train.make import RATE, voice

NAME = "chinese-hubert-large"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the embedder, a data set, and a voice trained on it; made once."""
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("large")
    patch.setenv("RVC_HOME", str(home))
    patch.setenv("RVC_OFFLINE", "1")
    patch.setattr(train, "STANDARD", SMALL)
    forget()
    embedders.write(
        paths().embedders / "chinese_hubert_large", embedders.LARGE, kind="bin", normalize=True
    )
    data = home / "assets/datasets/speaker"
    data.mkdir(parents=True)
    for number in range(2):
        wave = voice(9.0, 140 + 40 * number, number)
        soundfile.write(data / f"{number}.wav", wave, RATE)
    common = ["--model-name", "v", "--sample-rate", str(RATE)]
    call("preprocess", *common, "--dataset-path", str(data), "--cpu-cores", "1")
    call(
        *("extract", *common, "--embedder-model", NAME, "--f0-method", "swift-f0"),
        *("--gpu", "-", "--cpu-cores", "1"),
    )
    (home / "logs/v/config.json").write_text(json.dumps(tiny.small_settings().as_json()))
    call(*("train", *common), *TRAIN, "--no-pretrained")
    yield home
    patch.undo()
    forget()


SMALL = Parts(discriminators=tiny.TinyDiscriminators, summary_writer=lambda *_: None)
TRAIN = ("--save-every-epoch", "1", "--total-epoch", "1", "--batch-size", "4", "--gpu", "-")


def call(*arguments: str, code: int = 0) -> dict[str, Any]:
    """The command line in this process; returns what it printed as JSON."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        core.main([*arguments, "--json"])
    assert ended.value.code == code, out.getvalue()
    said: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return said


@pytest.fixture
def folder(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RVC_HOME", str(installation))
    monkeypatch.setattr(train, "STANDARD", SMALL)
    voices.forget()
    return installation / "logs/v"


def trained_voice(folder: Path) -> Path:
    return next(iter(folder.glob("v_*e_*s.pth")))


def test_features_are_1024_wide_and_so_is_silence(folder: Path) -> None:
    widths = {np.load(f).shape[1] for f in (folder / "extracted").glob("*.npy")}
    assert widths == {1024}
    made = manifest.require(folder, "extract").fingerprint
    assert (made["embedder"], made["width"], made["normalize"]) == (NAME, 1024, True)
    silence = np.load(folder / "mute/extracted/mute.npy")
    own = EmbedderManager().load(NAME)(np.zeros(48000, np.float32))
    np.testing.assert_allclose(silence, own, atol=1e-5)
    assert json.loads((folder / "model_info.json").read_text())["embedder_model"] == NAME


def test_the_voice_takes_the_width_and_records_the_embedder(folder: Path) -> None:
    made = voice_file.read_voice(trained_voice(folder))
    assert made.embed_width == 1024
    known = made.embedder
    assert known["name"] == NAME
    assert (known["width"], known["layer"], known["normalize"]) == (1024, 2, True)
    assert known["digest"] == EmbedderManager().load(NAME).spec.digest


def test_the_index_is_as_wide(folder: Path) -> None:
    assert Retriever.load(next(folder.glob("*.index"))).width == 1024


def convert(
    folder: Path, *more: str, code: int = 0, pth: Path | None = None, index: bool = True
) -> dict[str, Any]:
    sound = folder / "in.wav"
    if not sound.is_file():
        soundfile.write(sound, voice(1.5, 220)[::2], RATE // 2)
    given = ["--index-path", str(next(folder.glob("*.index")))] if index else []
    return call(
        *("infer", "--input-path", str(sound), "--output-path", str(folder / "out.wav")),
        *("--pth-path", str(pth or trained_voice(folder)), "--gpu", "-", "--f0-method", "swift-f0"),
        *given,
        *more,
        code=code,
    )


@pytest.fixture
def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads are allowed, and any attempt at one fails the test."""

    def guard(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.delenv("RVC_OFFLINE")
    monkeypatch.setattr("socket.socket.connect", guard)
    monkeypatch.setattr("socket.getaddrinfo", guard)
    forget()


def test_a_second_extraction_asks_nobody(folder: Path, no_socket: None) -> None:
    done = call(
        *("extract", "--model-name", "v", "--sample-rate", str(RATE), "--embedder-model", NAME),
        *("--f0-method", "swift-f0", "--gpu", "-", "--cpu-cores", "1"),
    )
    assert done["redone"] == 0
    (folder / "config.json").write_text(json.dumps(tiny.small_settings().as_json()))


def test_conversion_takes_the_voices_own_embedder(folder: Path, no_socket: None) -> None:
    convert(folder, "--seed", "1")
    voices.forget()
    forget()
    convert(folder, "--seed", "1")
    wave, rate = soundfile.read(folder / "out.wav")
    assert rate == RATE
    assert abs(len(wave) / rate - 1.5) < 0.001
    assert np.isfinite(wave).all()
    assert np.abs(wave).max() > 0


@pytest.mark.parametrize("changed", ["narrow", "raw"])
def test_another_embedder_is_refused_in_one_sentence(
    changed: str, folder: Path, tmp_path: Path
) -> None:
    if changed == "narrow":
        other = embedders.write(tmp_path / "narrow")
        words = ("width 1024", "gives 32")
    else:
        other = embedders.write(tmp_path / "raw", embedders.LARGE, normalize=False)
        words = ("with input normalisation", "without it")
    done = convert(
        folder, "--embedder-model", "custom", "--embedder-model-custom", str(other), code=6
    )
    assert all(w in done["message"] for w in words)
    assert done["message"].count(". ") == 0
    assert NAME in done["hint"]


def test_an_index_of_another_width_is_refused(folder: Path, tmp_path: Path) -> None:
    from rvc.retrieval import index

    file = tmp_path / "other.index"
    made = index.build(np.random.default_rng(0).standard_normal((500, 32)).astype("f4"))
    index.write(made, file)
    done = convert(folder, "--index-path", str(file), index=False, code=6)
    assert "32" in done["message"]
    assert "1024" in done["message"]


def test_a_base_model_of_another_width_lends_what_fits(
    folder: Path, installation: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = {}
    for kind in "GD":
        file = next(f for f in folder.glob(f"{kind}_*.pth"))
        content = torch.load(file, weights_only=True)
        if kind == "G":  # the same network for features 768 wide
            weight = content["model"]["enc_p.emb_phone.weight"]
            content["model"]["enc_p.emb_phone.weight"] = weight[:, :768].clone()
            lent = content["model"]["enc_p.emb_pitch.weight"]
        pair[kind] = installation / f"{kind}.pth"
        torch.save(content, pair[kind])
    other = installation / "logs/w"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("*.pth", "state*", "*.index"))
    manifest.forget(other, "train")
    with caplog.at_level("INFO"):
        call(
            *("train", "--model-name", "w", "--sample-rate", str(RATE), *TRAIN),
            *("--custom-pretrained", "--g-pretrained-path", str(pair["G"])),
            *("--d-pretrained-path", str(pair["D"])),
        )
    assert "enc_p.emb_phone.weight: (8, 768) there, (8, 1024) here" in caplog.text
    assert "enc_p.emb_pitch" not in caplog.text
    now = checkpoint.read_checkpoint(next(other.glob("G_*.pth"))).model
    assert now["enc_p.emb_phone.weight"].shape == (8, 1024)
    assert (now["enc_p.emb_pitch.weight"] - lent).abs().max() < 0.01
    shutil.rmtree(other)


def test_a_voice_by_applio_is_768_wide_and_of_contentvec(folder: Path, tmp_path: Path) -> None:
    """No record in the file: width by version, embedder by its name."""
    raw = torch.load(trained_voice(folder), weights_only=True)
    weight = raw["weight"]["enc_p.emb_phone.weight"]
    for version, width in (("v2", 768), ("v1", 256)):
        old = {k: v for k, v in raw.items() if k != "embedder"}
        old |= {"version": version, "embedder_model": "contentvec"}
        old["weight"] = dict(old["weight"])
        old["weight"]["enc_p.emb_phone.weight"] = weight[:, :width].clone()
        file = tmp_path / f"{version}.pth"
        torch.save(old, file)
        made = voice_file.read_voice(file)
        assert (made.embed_width, made.embedder["name"]) == (width, "contentvec")
        embedders.write(
            paths().embedders / "contentvec",
            {"hidden_size": 768, "num_hidden_layers": 9, "num_attention_heads": 12}
            | {"classifier_proj_size": 256},
            projected=True,
        )
        forget()
        convert(folder, pth=file, index=False)
        spec = voices.load(file, None, params.Convert(gpu="-")).embedder.spec
        assert (spec.width, spec.layer, spec.projected) == (width, 9, version == "v1")
