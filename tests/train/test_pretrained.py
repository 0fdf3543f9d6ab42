"""Where a training begins and what it leaves behind, in the formats others read."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc import Report
from rvc.dataset import manifest
from rvc.device import choose
from rvc.errors import BadInput, Mismatch, MissingModel, StageFailed, VoiceError
from rvc.nets import config, voice_file
from rvc.nets.synthesizer import Synthesizer
from rvc.train import build, checkpoint, preflight, pretrained, trainer
from rvc.train.material import material
from rvc.train.pretrained import adopt_optimiser, older_order
from tests.train import tiny
from tests.train.make import RATE

NARROW = {key: value for key, value in tiny.SMALL.items() if "resblock" not in key}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return tiny.voice(tmp_path, monkeypatch, clips=4)


def test_exports_are_applios(folder: Path) -> None:
    tiny.run(tiny.params(total_epoch=3, save_every_epoch=2))
    files = set(os.listdir(folder))
    assert {"G_4.pth", "D_4.pth", "G_6.pth", "D_6.pth", "v_2e_4s.pth", "v_3e_6s.pth"} <= files
    raw = torch.load(folder / "G_6.pth", weights_only=True)
    assert set(raw) == {"model", "iteration", "optimizer", "learning_rate", "scaler"}
    assert raw["iteration"] == 3
    assert "enc_q.enc.in_layers.0.weight_g" in raw["model"]
    voice = voice_file.read_voice(folder / "v_3e_6s.pth")
    assert (voice.sample_rate, voice.embed_width, voice.n_speakers) == (RATE, 8, 1)
    said = {k: voice.meta[k] for k in ("epoch", "step", "model_name", "dataset_length", "f0")}
    assert said == {"epoch": 3, "step": 6, "model_name": "v", "dataset_length": "00:00:06",
                    "f0": True}  # fmt: skip
    assert voice.embedder == {"name": "contentvec", "digest": "abc", "layer": 12, "width": 8,
                              "normalize": False}  # fmt: skip
    heard = np.concatenate([np.load(f) for f in (folder / "f0_voiced").glob("*.npy")])
    assert voice.meta["median_f0_hz"] == pytest.approx(np.median(heard[heard > 0]), rel=0.05)
    trained = tiny.saved(folder)["g"]["dec.conv_pre.weight"]
    assert torch.equal(voice.weights["dec.conv_pre.weight"], trained.half())


def test_only_latest_and_no_weights_in_between(folder: Path) -> None:
    tiny.run(tiny.params(total_epoch=1))
    tiny.run(tiny.params(total_epoch=3, save_only_latest=True, save_every_weights=False))
    kept = sorted(f for f in os.listdir(folder) if f.endswith(".pth"))
    assert kept == ["D_2333333.pth", "G_2333333.pth", "v_1e_2s.pth", "v_3e_6s.pth"]


def test_nothing_left_to_do_does_nothing_but_restores_the_voice(folder: Path) -> None:
    tiny.run(tiny.params())
    before = (folder / checkpoint.NAME).read_bytes()
    (folder / "v_2e_4s.pth").unlink()
    result = tiny.run(tiny.params())
    assert result["epoch"] == 2
    assert (folder / "v_2e_4s.pth").is_file()
    assert (folder / checkpoint.NAME).read_bytes() == before


def test_cleanup_begins_anew(folder: Path) -> None:
    tiny.run(tiny.params(total_epoch=3))
    result = tiny.run(tiny.params(total_epoch=1, cleanup=True, seed=7))
    assert result["step"] == 2
    kept = sorted(f for f in os.listdir(folder) if f.endswith(".pth"))
    assert kept == ["D_2.pth", "G_2.pth", "v_1e_2s.pth"]


@pytest.mark.parametrize(
    ("spoil", "change"),
    [
        (lambda folder: (folder / "filelist.txt").unlink(), {}),
        (lambda folder: None, {"pretrained": True}),
        (lambda folder: None, {"sample_rate": 48000}),
        (lambda folder: manifest.forget(folder, "extract"), {}),
    ],
)
def test_cleanup_deletes_nothing_where_the_new_training_cannot_begin(
    folder: Path, spoil: Callable[[Path], object], change: dict[str, Any]
) -> None:
    tiny.run(tiny.params(total_epoch=2))
    spoil(folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(VoiceError):
        tiny.run(tiny.params(total_epoch=1, cleanup=True, **change))
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_cleanup_keeps_the_report_on_the_data_and_takes_no_state_over(folder: Path) -> None:
    tiny.run(tiny.params(total_epoch=2))
    report = folder / preflight.REPORT / "report.json"

    def judge(found: Path, _: Report) -> None:
        report.parent.mkdir(parents=True)
        report.write_text("new")

    result = tiny.run(tiny.params(total_epoch=1, cleanup=True), judge_slices=judge)
    assert (result["epoch"], result["step"], report.read_text()) == (1, 2, "new")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert max(json.loads(line)["epoch"] for line in lines) == 1


def test_missing_base_model_names_the_command(folder: Path) -> None:
    with pytest.raises(MissingModel, match=r"f0G40k\.pth") as caught:
        tiny.run(tiny.params(pretrained=True))
    assert "prerequisites" in caught.value.hint
    assert not (folder / checkpoint.NAME).exists()


def test_custom_base_models_need_both(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--d-pretrained-path"):
        tiny.run(tiny.params(custom_pretrained=True, g_pretrained_path=tmp_path / "G.pth"))


def base_models(home: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """A trained G_/D_ pair to begin with."""
    folder = tiny.voice(home, monkeypatch, name="base", **options)
    tiny.run(tiny.params(model_name="base", total_epoch=1))
    pair = pretrained.pair(folder)
    assert pair is not None
    return {
        "custom_pretrained": True,
        "g_pretrained_path": pair.g,
        "d_pretrained_path": pair.d,
    }


def test_base_models_of_other_speakers_and_width_are_adapted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = base_models(tmp_path, monkeypatch, speakers=3, clips=2, width=6)
    folder = tiny.voice(tmp_path, monkeypatch, clips=4)
    p = tiny.params(**given)
    with caplog.at_level(logging.INFO):
        s = build.begin(p, material(p, folder), choose("-"), folder, tiny.PARTS)
    raw = torch.load(given["g_pretrained_path"], weights_only=True)["model"]
    now = voice_file.public_names(s.g.state_dict())
    assert torch.equal(now["dec.ups.0.weight_v"], raw["dec.ups.0.weight_v"])
    assert torch.equal(now["emb_g.weight"], raw["emb_g.weight"])  # its three rows are kept
    assert now["enc_p.emb_phone.weight"].shape == (8, 8)
    assert "enc_p.emb_phone.weight: (8, 6) there, (8, 8) here" in caplog.text
    assert (s.epoch, s.step) == (1, 0)


def test_base_model_for_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = base_models(tmp_path, monkeypatch, clips=2)
    raw = torch.load(given["g_pretrained_path"], weights_only=True)
    raw["model"] = {k: v for k, v in raw["model"].items() if not k.startswith(("enc_q", "dec"))}
    torch.save(raw, given["g_pretrained_path"])
    tiny.voice(tmp_path, monkeypatch)
    with pytest.raises(Mismatch, match="does not fit"):
        tiny.run(tiny.params(**given))


@pytest.mark.parametrize(
    ("rate", "vocoder"),
    [(40000, "HiFi-GAN"), (32000, "HiFi-GAN"), (48000, "MRF HiFi-GAN"), (24000, "RefineGAN")],
)
def test_a_pair_of_another_rate_or_vocoder_is_refused_by_its_layers(rate: int, vocoder: str) -> Any:
    def network(rate: int, vocoder: str, **changed: Any) -> Any:
        settings = replace(config.load(rate, vocoder), **{**NARROW, **changed})
        return Synthesizer(settings, 8, True, 1, vocoder)

    given = voice_file.public_names(network(48000, "HiFi-GAN").state_dict())
    net = network(rate, vocoder)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(Mismatch, match=r"G\.pth does not fit this voice: .*dec\.") as caught:
        pretrained.adapt(net, given, Path("G.pth"))
    assert "another sample rate or vocoder" in caught.value.hint
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert pretrained.adapt(network(48000, "HiFi-GAN"), given, Path("G.pth")) == []
    with pytest.raises(Mismatch, match="there, .* here"):
        pretrained.adapt(network(48000, "HiFi-GAN", filter_channels=32), given, Path("G.pth"))


def _furthest(folder: Path) -> str:
    found = pretrained.pair(folder)
    assert found is not None
    return found.g.name


def test_the_furthest_pair_is_taken_whatever_was_copied_last(tmp_path: Path) -> None:
    for at, (number, epoch) in enumerate([(12000, 120), (400, 4), (8000, 80)]):
        for kind in "DG":
            file = tmp_path / f"{kind}_{number}.pth"
            torch.save({"model": {"a": torch.ones(1)}, "iteration": epoch}, file)
            os.utime(file, (1_700_000_000 + at, 1_700_000_000 + at))
    assert _furthest(tmp_path) == "G_12000.pth"
    for epoch, right in ((90, "G_12000.pth"), (130, "G_2333333.pth")):
        for kind in "DG":
            torch.save(
                {"model": {"a": torch.ones(1)}, "iteration": epoch},
                tmp_path / f"{kind}_2333333.pth",
            )
        assert _furthest(tmp_path) == right


def test_more_speakers_than_the_base_model_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = base_models(tmp_path, monkeypatch, clips=2)
    tiny.voice(tmp_path, monkeypatch, speakers=2, clips=2)
    result = tiny.run(tiny.params(total_epoch=1, **given))
    voice = voice_file.read_voice(result["voice"])
    assert voice.n_speakers == 2
    assert voice.meta["speakers_id"] == 2


def test_goes_on_from_a_pair_of_another_program(folder: Path) -> None:
    tiny.run(tiny.params(total_epoch=2))
    before = tiny.saved(folder)
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (folder / name).unlink(missing_ok=True)
    os.utime(folder / "G_2.pth", (1, 1))
    p = tiny.params(total_epoch=3)
    s = build.begin(p, material(p, folder), choose("-"), folder, tiny.PARTS)
    assert (s.epoch, s.step) == (3, 4)
    moments = s.optim_g.state_dict()["state"]
    for i, old in before["optim_g"]["state"].items():
        assert torch.equal(moments[i]["exp_avg"], old["exp_avg"])
    assert tiny.run(p)["step"] == 6


def test_optimiser_in_the_older_order(folder: Path) -> None:
    p = tiny.params()
    s = build.networks(p, material(p, folder), choose("-"), 1, tiny.PARTS)
    names = [name for name, _ in s.g.named_parameters()]
    shapes = dict(s.g.named_parameters())
    older = older_order(names)
    assert sorted(older) == sorted(names)
    first = [n for n in older if n.startswith("dec.") and "m_source" not in n][0]
    assert first.startswith("dec.noise_convs.0")
    moments = {
        i: {
            "step": torch.tensor(3.0),
            "exp_avg": torch.full_like(shapes[name], i),
            "exp_avg_sq": torch.full_like(shapes[name], i),
        }
        for i, name in enumerate(older)
    }
    assert adopt_optimiser(s.optim_g, s.g, {"state": moments, "param_groups": []})
    taken = s.optim_g.state_dict()["state"]
    for i, name in enumerate(names):
        assert float(taken[i]["exp_avg"].flatten()[0]) == older.index(name)
    moments[3]["exp_avg"] = torch.zeros(1, 2, 3, 4)
    assert not adopt_optimiser(s.optim_g, s.g, {"state": moments})


def test_training_before_the_other_stages_says_so(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "extracted")
    with pytest.raises(StageFailed, match="extract"):
        tiny.run(tiny.params())
    with pytest.raises(BadInput, match="nobody"):
        tiny.run(tiny.params(model_name="nobody"))


def test_sample_rate_of_the_slices_is_checked(folder: Path) -> None:
    with pytest.raises(Mismatch, match="sample_rate was 40000 and is now 48000"):
        tiny.run(tiny.params(sample_rate=48000))


def test_speakers_keep_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.voice(tmp_path, monkeypatch, speakers=2, clips=2)
    info = json.loads((folder / "model_info.json").read_text())
    info["speakers"] = {"0": "Ana", "1": "Jörg"}
    (folder / "model_info.json").write_text(json.dumps(info))
    voice = voice_file.read_voice(tiny.run(tiny.params(total_epoch=1))["voice"])
    assert voice.meta["speakers"] == {"0": "Ana", "1": "Jörg"}
    assert (voice.n_speakers, voice.meta["speakers_id"]) == (2, 2)


def test_one_speaker_in_a_table_of_109_is_one_speaker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = base_models(tmp_path, monkeypatch, clips=2)
    raw = torch.load(given["g_pretrained_path"], weights_only=True)
    raw["model"]["emb_g.weight"] = torch.randn(109, 4)
    torch.save(raw, given["g_pretrained_path"])
    tiny.voice(tmp_path, monkeypatch, clips=2)
    voice = voice_file.read_voice(tiny.run(tiny.params(total_epoch=1, **given))["voice"])
    assert (voice.n_speakers, voice.meta["speakers_id"]) == (109, 1)


def test_the_data_is_judged_first_and_hinders_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    (folder / "sliced_audios" / "0_0_0.wav").write_bytes(b"no sound")
    with caplog.at_level(logging.INFO):
        preflight.judge_slices(folder, lambda *_: None)
    assert (folder / "eval" / "dataset" / "report.json").is_file()
    preflight.judge_slices(folder / "nowhere", lambda *_: None)
    assert "could not be judged" in caplog.text


def test_tensorboard_gets_applios_tags(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = set()

    class Board:
        def add_scalar(self, tag: str, value: float, step: int) -> None:
            tags.add(tag)

        def close(self) -> None:
            tags.add("closed")

    monkeypatch.setattr(trainer, "WINDOW_STEPS", 2)
    tiny.run(tiny.params(total_epoch=1), summary_writer=lambda *_: Board())
    parts = ("d/adv", "g/adv", "g/fm", "g/kl", "g/mel", "g/total")
    assert tags == {
        *(f"loss/{part}" for part in parts),
        *(f"loss_avg_50/{part}" for part in parts),
        *(f"{kind}/norm_{net}" for kind in ("grad", "grad_avg_50") for net in "dg"),
        "learning_rate",
        "closed",
    }
