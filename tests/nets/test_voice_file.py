"""Voice files keep their meaning through reading and writing; what does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rvc import params, tasks
from rvc.errors import BadInput, Mismatch, StageFailed
from rvc.nets.checkpoint import read_checkpoint, write_checkpoint
from rvc.nets.layers import ZeroNoise
from rvc.nets.voice_file import (
    VoiceFile,
    build,
    load_into,
    public_names,
    read_voice,
    voice_of,
    write_voice,
)
from rvc.voices import library
from tests import tiny
from tests.nets.golden import FOLDER, off_peak


def sound(voice: VoiceFile) -> torch.Tensor:
    x = tiny.inputs(12, voice.embed_width)
    if not voice.use_f0:
        x |= {"pitch": None, "f0": None}
    with torch.no_grad():
        return build(voice).infer(**x, noise=ZeroNoise())


def changed(path: Path, **values: Any) -> Path:
    """Rewrite a voice file with other entries; None removes one."""
    raw = torch.load(path, weights_only=True)
    raw |= values
    torch.save({k: v for k, v in raw.items() if v is not None}, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_voice_survives_writing(tmp_path: Path, suffix: str) -> None:
    voice = read_voice(tiny.voice(tmp_path / "a.pth", n_speakers=3))
    write_voice(tmp_path / f"b{suffix}", voice)
    again = read_voice(tmp_path / f"b{suffix}")
    assert again.meta == voice.meta
    assert again.settings == voice.settings
    assert (again.n_speakers, again.vocoder, again.use_f0) == (3, "HiFi-GAN", True)
    assert torch.equal(sound(again), sound(voice))
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_files_hold_the_public_entries(tmp_path: Path) -> None:
    raw = torch.load(tiny.voice(tmp_path / "a.pth"), weights_only=True)
    assert {"weight", "config", "epoch", "step", "sr", "f0", "version", "model_hash"} <= set(raw)
    assert len(raw["config"]) == 18
    assert all(v.dtype == torch.float16 for v in raw["weight"].values())
    assert not any(k.startswith("enc_q") or "original" in k for k in raw["weight"])
    json.dumps({k: v for k, v in raw.items() if k != "weight"})


def test_both_weight_norm_spellings_sound_the_same(tmp_path: Path) -> None:
    path = tiny.voice(tmp_path / "a.pth")
    before = sound(read_voice(path))
    weights = {}
    for key, value in torch.load(path, weights_only=True)["weight"].items():
        key = key.replace(".weight_g", ".parametrizations.weight.original0")
        weights[key.replace(".weight_v", ".parametrizations.weight.original1")] = value
    assert torch.equal(sound(read_voice(changed(path, weight=weights))), before)


@pytest.mark.parametrize(
    "values",
    [
        {"sr": "40k"},
        {"f0": 1},
        {"version": None},
        {"vocoder": None},
        {"speakers_id": None},
        {"vocoder": None, "version": None, "info": "200epoch", "sr": "40k", "f0": 1},
    ],
)
def test_other_programs_metadata_is_understood(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tiny.voice(tmp_path / "a.pth")
    before = sound(read_voice(path))
    voice = read_voice(changed(path, **values))
    assert voice.sample_rate == 40000
    assert torch.equal(sound(voice), before)


APPLIO = {
    "epoch": 200,
    "step": 4000,
    "creation_date": "2025-01-31T10:20:30.123456",
    "model_hash": "0" * 64,
    "model_name": "Ann",
    "author": "None",
    "embedder_model": "contentvec",
    "speakers_id": 1,
}
V1 = {"version": "v1", "embed_width": 256}
WRITTEN_BY: dict[
    str, tuple[dict[str, Any], dict[str, Any]]
] = {  # what each program's file holds beside weight and config, and what made it
    "RVC WebUI, first": ({"info": "200epoch", "sr": "40k", "f0": 1}, V1),
    "RVC WebUI v1 32k": (
        {"info": "20epoch", "sr": "32k", "f0": 1, "version": "v1"},
        V1 | {"sample_rate": 32000},
    ),
    "RVC WebUI v2 without pitch": (
        {"info": "100epoch", "sr": "48k", "f0": 0, "version": "v2"},
        {"embed_width": 768, "sample_rate": 48000, "use_f0": False},
    ),
    "Mangio": (
        {"info": "500epoch", "sr": "40k", "f0": 1, "version": "v2"},
        {"embed_width": 768},
    ),
    "Applio 3.2": (
        APPLIO | {"sr": 40000, "f0": True, "version": "v2", "dataset_lenght": "00:10:00"},
        {"embed_width": 768},
    ),
    "Applio 3.6 RefineGAN": (
        APPLIO | {"sr": 24000, "f0": True, "version": "v2", "vocoder": "RefineGAN"},
        {"embed_width": 768, "sample_rate": 24000, "vocoder": "RefineGAN"},
    ),
    "blended by Applio": (
        {"sr": "40000", "f0": True, "version": "v2", "info": "Blended", "vocoder": "HiFi-GAN"},
        {"embed_width": 768},
    ),
}


@pytest.mark.parametrize("program", WRITTEN_BY)
def test_files_of_other_programs_are_read_listed_and_imported(
    home: Path, tmp_path: Path, program: str
) -> None:
    said, made = WRITTEN_BY[program]
    path = tiny.voice(tmp_path / "Ann.pth", n_speakers=2, **made)
    raw = torch.load(path, weights_only=True)
    before = sound(read_voice(path))
    config = list(raw["config"])
    config[-3] = 109  # these programs leave the number of the base model; the table is what counts
    torch.save({"weight": raw["weight"], "config": config, **said}, path)
    voice = read_voice(path)
    assert (voice.n_speakers, voice.version) == (2, made.get("version", "v2"))
    assert voice.use_f0 == made.get("use_f0", True)
    assert voice.vocoder == made.get("vocoder", "HiFi-GAN")
    assert torch.equal(sound(voice), before)
    done = tasks.run("import-voice", params.ImportVoice(source=str(path)))["imported"][0]
    assert torch.equal(sound(read_voice(done["pth_path"])), before)
    listed = library.voices()[0]
    assert f"{voice.sample_rate / 1000:g} kHz" in listed.sentence()


def test_the_posterior_encoder_of_an_unstripped_file_is_left_out(tmp_path: Path) -> None:
    path = tiny.voice(tmp_path / "a.pth")
    full = public_names(tiny.net().state_dict())
    assert torch.isfinite(sound(read_voice(changed(path, weight=dict(full))))).all()


@pytest.mark.parametrize(
    ("rate", "version", "use_f0"),
    [
        (32000, "v1", True),
        (48000, "v1", True),
        (40000, "v1", False),
        (32000, "v2", False),
        (48000, "v2", True),
    ],
)
def test_old_layouts_load(tmp_path: Path, rate: int, version: str, use_f0: bool) -> None:
    width = 256 if version == "v1" else 768
    path = tiny.voice(
        tmp_path / "a.pth", sample_rate=rate, version=version, use_f0=use_f0, embed_width=width
    )
    voice = read_voice(path)
    assert (voice.version, voice.embed_width, voice.use_f0) == (version, width, use_f0)
    assert sound(voice).shape[-1] == 12 * rate // 100


@pytest.mark.parametrize(
    ("vocoder", "rate"), [("MRF HiFi-GAN", 40000), ("RefineGAN", 48000), ("lite", 24000)]
)
def test_the_vocoder_is_recognised_even_if_the_file_does_not_say(
    tmp_path: Path, vocoder: str, rate: int
) -> None:
    path = changed(tiny.voice(tmp_path / "a.pth", vocoder=vocoder, sample_rate=rate), vocoder=None)
    assert read_voice(path).vocoder == vocoder


def test_an_unknown_architecture_is_refused_with_what_was_found(tmp_path: Path) -> None:
    path = tiny.voice(tmp_path / "a.pth")
    with pytest.raises(Mismatch, match="BigVGAN"):
        read_voice(changed(path, vocoder="BigVGAN"))
    weights = torch.load(path, weights_only=True)["weight"]
    with pytest.raises(Mismatch, match="dec.snake.0"):
        read_voice(
            changed(path, vocoder="HiFi-GAN", weight=weights | {"dec.snake.0": torch.ones(1)})
        )
    del weights["dec.conv_pre.bias"]
    with pytest.raises(Mismatch, match="dec.conv_pre.bias"):
        read_voice(changed(path, weight=weights))


def test_a_training_checkpoint_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="training checkpoint"):
        read_voice(tiny.checkpoint_g(tmp_path / "G_1.pth"))


def test_a_diverged_network_is_not_written() -> None:
    net = tiny.net()
    state = net.state_dict() | {"emb_g.weight": torch.full((2, 8), 1e6)}
    with pytest.raises(StageFailed, match="emb_g"):
        voice_of(state, net.settings, net.vocoder, {})


def test_checkpoints_return_to_the_network_they_came_from(tmp_path: Path) -> None:
    net, other = tiny.net(seed=1), tiny.net(seed=2)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4)
    net.infer(**tiny.inputs(5)).mean().backward()
    optimizer.step()
    write_checkpoint(tmp_path / "G_7.pth", net, 7, 1e-4, optimizer.state_dict())
    found = read_checkpoint(tmp_path / "G_7.pth")
    assert (found.iteration, found.learning_rate) == (7, 1e-4)
    assert "dec.ups.0.weight_g" in found.model
    load_into(other, found.model, "G_7.pth")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    torch.optim.AdamW(other.parameters(), 1e-4).load_state_dict(found.optimizer)


def test_weights_in_the_files_order_fit_the_optimiser_states() -> None:
    for name in ("v2_hifigan_40k", "v2_refinegan_24k"):
        voice = read_voice(FOLDER / f"{name}.pth")
        assert list(public_names(build(voice, fold=False).state_dict())) == list(voice.weights)


def test_a_voice_sounds_the_same_as_the_network_it_was_made_from() -> None:
    net = tiny.net()
    x = tiny.inputs(12)
    with torch.no_grad():
        y = net.infer(**x, noise=ZeroNoise())
    small = voice_of(net.state_dict(), net.settings, net.vocoder, {})
    assert off_peak(sound(small), y) < 2e-2  # float16


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        [1] * 18,
        ["x"] * 18,
        [
            1025,
            32,
            192,
            192,
            768,
            2,
            6,
            3,
            0,
            "1",
            [3],
            [[1]],
            [10, -40],
            512,
            [16, 16],
            1,
            256,
            40000,
        ],
        [1025, 32, 1 << 40, 192, 768, 2, 6, 3, 0, "1", [3], [[1]], [400], 512, [16], 1, 256, 40000],
        [1025, 32, 192, 192, 768, 2, 6, 3, 0, "1", 3, [[1]], [400], 512, [16], 1, 256, "k"],
    ],
)
def test_configurations_that_no_voice_has_are_refused(tmp_path: Path, config: list[Any]) -> None:
    path = tiny.voice(tmp_path / "a.pth")
    raw = torch.load(path, weights_only=True) | {"config": config}
    torch.save(raw, path)
    with pytest.raises(BadInput, match=r"a\.pth"):
        read_voice(path)
