"""Tools for voice files: information, blending, extraction, editing, conversion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc import params, tasks
from rvc.dataset import manifest
from rvc.errors import BadInput, Mismatch
from rvc.nets import config
from rvc.nets.synthesizer import Synthesizer
from rvc.nets.voice_file import public_names, read_voice
from rvc.retrieval import index
from rvc.voices import information
from tests import tiny
from tests.conftest import Cli


@pytest.fixture
def two(home: Path) -> tuple[Path, Path]:
    return (
        tiny.voice(home / "logs" / "a" / "a.pth", seed=1),
        tiny.voice(home / "logs" / "b" / "b.pth", seed=2),
    )


def weight(path: Path, key: str = "emb_g.weight") -> torch.Tensor:
    return read_voice(path).weights[key].float()


def test_information_as_table_and_json(cli: Cli, two: tuple[Path, Path]) -> None:
    table = cli("model-information", "--pth-path", two[0])
    assert table.code == 0
    assert "40000" in table.out
    assert "HiFi-GAN" in table.out
    facts = cli("model-information", "--pth-path", two[0], "--json").json
    assert (facts["sample_rate"], facts["epoch"], facts["author"]) == (40000, 3, "somebody")
    assert facts["embedder"]["name"] == "contentvec"
    assert len(facts["sha256"]) == 64


def test_information_on_checkpoints_and_on_nonsense(cli: Cli, home: Path) -> None:
    facts = cli(
        "model-information", "--pth-path", tiny.checkpoint_g(home / "G_5.pth", 5), "--json"
    ).json
    assert (facts["kind"], facts["epoch"]) == ("generator checkpoint", 5)
    (home / "x.pth").write_bytes(b"hello")
    assert cli("model-information", "--pth-path", home / "x.pth").code == BadInput.exit_code


@pytest.mark.parametrize("ratio", [0.0, 0.37, 1.0])
def test_a_blend_lies_between_its_voices(home: Path, two: tuple[Path, Path], ratio: float) -> None:
    done = tasks.run(
        "model-blender",
        params.ModelBlender(model_name="mix", pth_path_1=two[0], pth_path_2=two[1], ratio=ratio),
    )
    expected = ratio * weight(two[0]) + (1 - ratio) * weight(two[1])
    assert torch.allclose(weight(done["file"]), expected, atol=2e-3)
    said = read_voice(done["file"]).meta
    assert [part["model_name"] for part in said["blended_from"]] == ["a", "b"]
    assert said["author"] == "somebody"
    assert said["embedder_model"] == "contentvec"


def test_a_blend_of_different_kinds_is_refused_with_every_difference(
    home: Path, two: tuple[Path, Path]
) -> None:
    other = tiny.voice(home / "c.pth", sample_rate=48000, vocoder="MRF HiFi-GAN")
    with pytest.raises(Mismatch, match=r"40000 and 48000.*HiFi-GAN and MRF"):
        tasks.run(
            "model-blender",
            params.ModelBlender(model_name="mix", pth_path_1=two[0], pth_path_2=other),
        )
    assert not (home / "logs" / "mix").exists()


def test_a_blend_keeps_the_speakers_both_have(home: Path, two: tuple[Path, Path]) -> None:
    many = tiny.voice(home / "many.pth", n_speakers=5)
    done = tasks.run(
        "model-blender", params.ModelBlender(model_name="m", pth_path_1=many, pth_path_2=two[0])
    )
    assert (done["speakers"], read_voice(done["file"]).n_speakers) == (2, 2)


@pytest.mark.parametrize("vocoder", ["HiFi-GAN", "MRF HiFi-GAN"])
def test_a_small_voice_comes_out_of_a_checkpoint(home: Path, vocoder: str) -> None:
    folder = home / "logs" / "me"
    path = tiny.checkpoint_g(folder / "G_40.pth", 4, vocoder=vocoder)
    (folder / "config.json").write_text(json.dumps(tiny.settings(40000, vocoder).as_json()))
    (folder / "model_info.json").write_text('{"embedder_model": "spin"}')
    done = tasks.run("model-extract", params.ModelExtract(pth_path=path, model_name="me"))
    voice = read_voice(done["file"])
    assert (voice.vocoder, voice.sample_rate) == (vocoder, 40000)
    assert (voice.meta["epoch"], voice.meta["step"], voice.embedder["name"]) == (4, 40, "spin")
    assert torch.allclose(
        weight(done["file"]),
        torch.load(path, weights_only=True)["model"]["emb_g.weight"],
        atol=1e-3,
    )


def test_a_lite_checkpoint_is_extracted_beside_the_settings_of_its_rate(home: Path) -> None:
    """preprocess writes them before anybody says which vocoder is to be trained."""
    folder = home / "logs" / "me"
    folder.mkdir(parents=True)
    standard = config.load(24000, "lite")
    net = Synthesizer(standard, 192, True, 1, "lite")
    content = {"model": public_names(net.state_dict()), "iteration": 1, "learning_rate": 1e-4}
    torch.save(content | {"optimizer": {}}, folder / "G_4.pth")
    shutil.copy(config.CONFIGS / "24000.json", folder / "config.json")
    done = tasks.run(
        "model-extract", params.ModelExtract(pth_path=folder / "G_4.pth", model_name="me")
    )
    voice = read_voice(done["file"])
    assert (voice.vocoder, voice.sample_rate, voice.embedder["width"]) == ("lite", 24000, 192)


def test_an_extracted_voice_tells_how_its_features_were_made(home: Path) -> None:
    folder = home / "logs" / "me"
    path = tiny.checkpoint_g(folder / "G_40.pth", 4)
    (folder / "config.json").write_text(json.dumps(tiny.settings().as_json()))
    (folder / "model_info.json").write_text('{"embedder_model": "x", "speakers": {"0": "Ann"}}')
    made = {"embedder": "large", "embedder_digest": "d", "layer": 9, "normalize": True}
    manifest.record(folder, manifest.Stage("extract", made, 1, ["a"]))
    done = tasks.run("model-extract", params.ModelExtract(pth_path=path, model_name="me"))
    voice = read_voice(done["file"])
    told = {"name": "large", "digest": "d", "layer": 9, "normalize": True}
    assert voice.embedder == told | {"width": tiny.EMBED_WIDTH}
    assert voice.meta["embedder_model"] == "large"
    assert voice.meta["speakers"] == {"0": "Ann"}


def test_extraction_refuses_settings_that_do_not_fit(home: Path) -> None:
    path = tiny.checkpoint_g(home / "G_1.pth")
    with pytest.raises(BadInput, match="config.json"):
        tasks.run("model-extract", params.ModelExtract(pth_path=path, model_name="me"))
    with pytest.raises(Mismatch):
        tasks.run(
            "model-extract",
            params.ModelExtract(pth_path=path, model_name="me", sample_rate=40000),
        )
    assert not (home / "logs" / "me").exists()


def test_author_and_name_change_and_nothing_else(home: Path, two: tuple[Path, Path]) -> None:
    before = read_voice(two[0])
    tasks.run("model-edit", params.ModelEdit(pth_path=two[0], author="me", model_name="new"))
    after = read_voice(two[0])
    assert (after.meta["author"], after.meta["model_name"]) == ("me", "new")
    assert all(torch.equal(v, after.weights[k]) for k, v in before.weights.items())
    assert {k for k in after.meta if after.meta[k] != before.meta[k]} == {"author", "model_name"}


def test_to_safetensors_and_back_is_the_same_voice(home: Path, two: tuple[Path, Path]) -> None:
    there = tasks.run("model-convert", params.ModelConvert(pth_path=two[0]))["file"]
    assert there.endswith(".safetensors")
    back = home / "back.pth"
    tasks.run("model-convert", params.ModelConvert(pth_path=there, output_path=back))
    assert read_voice(back).meta == read_voice(two[0]).meta
    assert torch.equal(weight(back), weight(two[0]))


def test_an_index_is_described_too(tmp_path: Path) -> None:
    index.write(index.build(np.ones((50, 12), np.float32)), tmp_path / "a.index")
    facts = information.describe(tmp_path / "a.index")
    assert (facts["kind"], facts["rows"], facts["width"], facts["cells"]) == ("index", 50, 12, 1)
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(BadInput, match="no model file"):
        information.describe(tmp_path / "a.txt")


def test_no_voice_is_overwritten_unasked_and_no_index_outlives_its_own(
    home: Path, two: tuple[Path, Path]
) -> None:
    blend: dict[str, Any] = {"model_name": "mix", "pth_path_1": two[0], "pth_path_2": two[1]}
    file = Path(tasks.run("model-blender", params.ModelBlender(**blend))["file"])
    table = file.with_suffix(".index")
    rows = np.random.default_rng(0).standard_normal((200, tiny.EMBED_WIDTH))
    index.write(index.build(rows.astype(np.float32)), table)
    before = file.read_bytes()
    with pytest.raises(BadInput, match="there already") as told:
        tasks.run("model-blender", params.ModelBlender(**blend, ratio=0.1))
    assert "--overwrite" in told.value.hint
    given = {"pth_path": two[0], "output_path": file}
    for kind, more in {"model-convert": {}, "model-edit": {"author": "x"}}.items():
        p = tasks.VERBS[kind].params.model_validate(given | more)
        with pytest.raises(BadInput, match="there already"):
            tasks.run(kind, p)
    assert file.read_bytes() == before
    assert table.is_file()
    done = tasks.run("model-blender", params.ModelBlender(**blend, ratio=0.1, overwrite=True))
    assert file.read_bytes() != before
    assert not table.exists()
    assert "index" in done["message"]
