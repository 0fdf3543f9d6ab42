"""Voices of every public layout sound as in the programs they come from, to 1e-4 of the peak."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np
import pytest
import torch

from rvc.nets import VOCODERS
from rvc.nets.config import from_list
from rvc.nets.layers import ZeroNoise
from rvc.nets.synthesizer import Synthesizer
from rvc.nets.voice_file import SPELLINGS, VoiceFile, build, public_names, voice_from
from tests.nets.golden import FOLDER, numbers, off_peak, rule

FACTS = numbers("variants")
SOUNDS = np.load(FOLDER / "variants.npz")
FRAMES = 30


def file_of(name: str, inner: bool = False) -> dict[str, Any]:
    """A voice file of this layout with the weights of the rule, in either spelling of its keys."""
    known = FACTS[name]
    with torch.device("meta"):
        net = Synthesizer(
            from_list(known["config"], name),
            known["embed_width"],
            known["f0"],
            known["config"][15],
            known["vocoder"],
            with_posterior=False,
        )
    shapes = {key: tuple(v.shape) for key, v in public_names(net.state_dict()).items()}
    listed = "\n".join(sorted(f"{key} {shape}" for key, shape in shapes.items()))
    assert hashlib.sha256(listed.encode()).hexdigest() == known["keys_sha256"]
    weights = {key: rule(key, shape).reshape(shape) for key, shape in shapes.items()}
    if inner:
        for ours, public in SPELLINGS:
            weights = {k.replace(public, ours): v for k, v in weights.items()}
    return {"weight": weights, "config": known["config"]}


@functools.lru_cache(maxsize=1)
def voice_and_net(name: str) -> tuple[VoiceFile, Synthesizer]:
    voice = voice_from(file_of(name), name)
    return voice, build(voice)


def features(name: str, semitones: float = 0.0, speaker: int = 2) -> dict[str, Any]:
    """The inputs that golden/README.md describes."""
    made, known = np.random.default_rng(7), FACTS[name]
    phone = made.standard_normal((1, FRAMES, known["embed_width"])).astype(np.float32)
    hz = np.float32(180) * 2 ** (made.standard_normal((1, FRAMES)).astype(np.float32) / 6)
    hz[:, 11:17] = 0
    pitch = np.where(hz > 0, np.clip(np.rint(hz / 4), 1, 255), 1).astype(np.int64)
    return {
        "phone": torch.from_numpy(phone),
        "lengths": torch.tensor([FRAMES]),
        "pitch": torch.from_numpy(pitch) if known["f0"] else None,
        "f0": torch.from_numpy(hz) * 2 ** (semitones / 12) if known["f0"] else None,
        "sid": torch.tensor([speaker]),
    }


def sound_of(net: Synthesizer, x: dict[str, Any], seed: int | None = None) -> torch.Tensor:
    if seed is not None:
        torch.manual_seed(seed)
    with torch.no_grad():
        return net.infer(**x) if seed is not None else net.infer(**x, noise=ZeroNoise())


@pytest.mark.parametrize("name", FACTS)
def test_the_sound_is_the_original_programs(name: str) -> None:
    voice, net = voice_and_net(name)
    known = FACTS[name]
    wanted = torch.from_numpy(SOUNDS[name]).view(1, 1, -1)
    assert (voice.vocoder, voice.use_f0) == (known["vocoder"], known["f0"])
    assert voice.version == name.split("_")[1]
    assert wanted.shape[-1] == FRAMES * voice.sample_rate // 100
    assert off_peak(sound_of(net, features(name)), wanted) < 1e-4
    # and would not be, had a part of the network no say
    assert off_peak(sound_of(net, features(name, speaker=0)), wanted) > 1e-2
    if known["f0"]:
        assert off_peak(sound_of(net, features(name, semitones=1)), wanted) > 1e-2
    if f"{name}.seed0" in SOUNDS:
        wanted = torch.from_numpy(SOUNDS[f"{name}.seed0"]).view(1, 1, -1)
        assert off_peak(sound_of(net, features(name), seed=0), wanted) < 1e-4


@pytest.mark.parametrize("name", ["hifigan_v1_48k_f0", "mrf_v2_40k_f0", "refinegan_v2_48k_f0"])
def test_the_other_spelling_of_the_keys_is_the_same_voice(name: str) -> None:
    net = build(voice_from(file_of(name, inner=True), name))
    wanted = torch.from_numpy(SOUNDS[name]).view(1, 1, -1)
    assert off_peak(sound_of(net, features(name)), wanted) < 1e-4


def test_no_public_layout_is_left_out() -> None:
    seen = {(k["vocoder"], k["config"][-1]) for k in FACTS.values()}
    public = {(name, rate) for name, i in VOCODERS.items() if name != "lite" for rate in i.rates}
    assert seen == public
    old = {(k["f0"], k["config"][-1]) for n, k in FACTS.items() if "_v1_" in n}
    assert old == {(f0, rate) for f0 in (True, False) for rate in (32000, 40000, 48000)}
