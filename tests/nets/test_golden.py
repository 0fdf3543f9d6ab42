"""Existing voices sound the same: outputs and intermediates match the original program's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from rvc.nets.discriminators import Discriminators
from rvc.nets.layers import ZeroNoise
from rvc.nets.synthesizer import Synthesizer
from rvc.nets.voice_file import build, load_into, public_names, read_voice
from rvc.train import losses
from tests.nets.golden import FOLDER, array, numbers, off_peak, rule

Loaded = tuple[str, Synthesizer]
VOICES = ["v2_hifigan_40k", "v2_refinegan_24k"]


@pytest.fixture(scope="module", params=VOICES)
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    torch.set_grad_enabled(False)
    yield request.param, build(read_voice(FOLDER / f"{request.param}.pth"))
    torch.set_grad_enabled(True)


def features() -> dict[str, Any]:
    return {
        "phone": array("phone_768"),
        "lengths": array("lengths"),
        "pitch": array("pitch"),
        "f0": array("pitchf"),
        "sid": array("sid"),
    }


def test_intermediates_match(loaded: Loaded) -> None:
    name, net = loaded
    x = features()
    m_p, logs_p, mask = net.encode(x["phone"], x["pitch"], x["lengths"])
    assert off_peak(m_p, array(f"{name}.m_p")) < 1e-4
    assert off_peak(logs_p, array(f"{name}.logs_p")) < 1e-4
    assert off_peak(m_p * mask, array(f"{name}.z_p")) < 1e-4
    z = net.flow.reverse(m_p * mask, mask, net.speaker(x["sid"]))
    assert off_peak(z, array(f"{name}.z")) < 1e-4


def test_sound_without_noise_matches(loaded: Loaded) -> None:
    name, net = loaded
    assert off_peak(net.infer(**features(), noise=ZeroNoise()), array(f"{name}.zeronoise")) < 1e-4


def test_sound_of_seed_0_matches(loaded: Loaded) -> None:
    name, net = loaded
    torch.manual_seed(0)
    assert off_peak(net.infer(**features()), array(f"{name}.seed0")) < 1e-4


def test_folding_weight_norm_changes_nothing(loaded: Loaded) -> None:
    name, folded = loaded
    plain = build(read_voice(FOLDER / f"{name}.pth"), fold=False)
    assert any("parametrizations" in key for key in plain.state_dict())
    assert not any("parametrizations" in key for key in folded.state_dict())
    y = plain.infer(**features(), noise=ZeroNoise())
    assert off_peak(folded.infer(**features(), noise=ZeroNoise()), y) < 1e-5


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_discriminators_and_their_losses_match(version: str) -> None:
    net = Discriminators(version)
    state = public_names(net.state_dict())
    load_into(net, {key: rule(key, tuple(v.shape)) for key, v in state.items()}, version)
    known = numbers("disc")[version]
    with torch.no_grad():
        real, real_maps = net(array("disc.real"))
        fake, fake_maps = net(array("disc.fake"))
    assert [list(x.shape) for x in real] == known["shapes"]
    assert [[list(x.shape) for x in maps] for maps in real_maps] == known["fmap_shapes"]
    for got, key in ((real, "real_mean"), (fake, "fake_mean")):
        assert [float(x.mean()) for x in got] == pytest.approx(known[key], abs=1e-6)
    assert [float(x.std()) for x in real] == pytest.approx(known["real_std"], abs=1e-5)
    assert float(losses.discriminator_loss(real, fake)) == pytest.approx(known["loss_d"], rel=1e-5)
    assert float(losses.adversarial_loss(fake)) == pytest.approx(known["loss_g"], rel=1e-5)
    assert float(losses.feature_loss(real_maps, fake_maps)) == pytest.approx(
        known["loss_fm"], rel=1e-5
    )
