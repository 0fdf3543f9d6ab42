"""Sizes, invertibility, noise, blocks and gradients of the voice networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rvc.nets import VOCODERS, config
from rvc.nets.discriminators import Discriminators
from rvc.nets.hifigan import HiFiGAN, sample_phase
from rvc.nets.layers import Noise, ZeroNoise, frame_phase
from rvc.nets.synthesizer import Synthesizer
from rvc.nets.voice_file import public_names
from tests import tiny
from tests.nets.golden import off_peak

COUNTS = [  # rate, vocoder, use_f0, parameters of the public architecture
    (24000, "HiFi-GAN", True, 36_745_538),
    (32000, "HiFi-GAN", True, 36_880_706),
    (40000, "HiFi-GAN", True, 36_458_818),
    (48000, "HiFi-GAN", True, 37_638_466),
    (40000, "HiFi-GAN", False, 36_387_392),
    (40000, "MRF HiFi-GAN", True, 36_459_340),
    (24000, "RefineGAN", True, 35_096_850),
    (32000, "RefineGAN", True, 35_096_850),
]


def outline(
    rate: int, vocoder: str = "HiFi-GAN", use_f0: bool = True, **options: Any
) -> Synthesizer:
    with torch.device("meta"):
        return Synthesizer(config.load(rate, vocoder), 768, use_f0, 109, vocoder, **options)


def size(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("rate", "vocoder", "use_f0", "count"), COUNTS)
def test_parameter_counts_are_the_public_ones(
    rate: int, vocoder: str, use_f0: bool, count: int
) -> None:
    assert size(outline(rate, vocoder, use_f0)) == count


def test_keys_are_the_public_ones() -> None:
    assert len(outline(40000).state_dict()) == 560
    small = outline(40000, with_posterior=False)
    assert len(small.state_dict()) == 457
    assert size(small) == 27_537_346
    keys = public_names(small.state_dict())
    assert "dec.ups.0.weight_v" in keys
    assert "flow.flows.6.enc.cond_layer.weight_g" in keys


@pytest.mark.parametrize(
    ("version", "count", "keys"),
    [("v1", 54_968_286, 129), ("v2", 71_410_594, 165), ("v3", 47_028_034, 165)],
)
def test_discriminators_have_the_public_sizes(version: str, count: int, keys: int) -> None:
    with torch.device("meta"):
        net = Discriminators(version)
    assert (size(net), len(net.state_dict())) == (count, keys)


def test_v1_layouts_multiply_to_their_hop() -> None:
    for rate, hop in ((32000, 320), (40000, 400), (48000, 480)):
        old = config.load(rate, version="v1")
        assert old.hop_length == hop
    assert config.load(48000, version="v1").upsample_rates == (10, 6, 2, 2, 2)


def test_every_registered_rate_has_its_settings() -> None:
    for vocoder, info in VOCODERS.items():
        for rate in info.rates:
            found = config.load(rate, vocoder)
            assert found.sample_rate == rate
            assert found.segment_size % found.hop_length == 0


def test_the_flow_is_undone_by_its_reverse() -> None:
    net = tiny.net()
    z, mask, g = torch.randn(2, 16, 50), torch.ones(2, 1, 50), torch.randn(2, 8, 1)
    moved = net.flow(z, mask, g)
    assert not torch.allclose(moved, z, atol=1e-2)
    assert torch.allclose(net.flow.reverse(moved, mask, g), z, atol=1e-4)


@pytest.mark.parametrize("by_frame", [True, False])
def test_the_sine_source_keeps_the_pitch_over_a_minute(by_frame: bool) -> None:
    f0 = torch.full((1, 6000), 220.5)
    phase = (
        frame_phase(f0, 400, 40000)
        if by_frame
        else sample_phase(f0.repeat_interleave(400, 1), 40000)
    )
    expected = (torch.arange(1, 2_400_001, dtype=torch.float64) * 220.5 / 40000) % 1
    apart = (phase[0].double() - expected + 0.5) % 1 - 0.5
    assert apart.abs().max() < 2e-3


def test_an_unvoiced_source_is_only_breath() -> None:
    source = HiFiGAN(tiny.settings()).m_source
    assert source(torch.zeros(1, 10), ZeroNoise()).std() < 1e-6
    assert source(torch.full((1, 10), 200.0), ZeroNoise()).std() > 1e-3


@pytest.mark.parametrize(
    ("vocoder", "rate"), [("HiFi-GAN", 48000), ("MRF HiFi-GAN", 32000), ("RefineGAN", 24000)]
)
class TestEveryVocoder:
    def test_a_frame_becomes_hop_samples_without_nan(self, vocoder: str, rate: int) -> None:
        net = tiny.net(rate, vocoder)
        with torch.no_grad():
            y = net.infer(**tiny.inputs(21))
        assert y.shape == (1, 1, 21 * rate // 100)
        assert torch.isfinite(y).all()
        assert y.abs().max() <= 1

    def test_a_seeded_generator_repeats_the_sound(self, vocoder: str, rate: int) -> None:
        net, x = tiny.net(rate, vocoder), tiny.inputs(8)
        with torch.no_grad():
            a, b, c = (
                net.infer(**x, noise=Noise(torch.Generator().manual_seed(s))) for s in (1, 1, 2)
            )
        assert torch.equal(a, b)
        assert not torch.equal(a, c)

    def test_decoding_in_blocks_gives_the_same_sound(self, vocoder: str, rate: int) -> None:
        net, frames = tiny.net(rate, vocoder), 260
        x, hop, zero = tiny.inputs(frames), rate // 100, ZeroNoise()
        with torch.no_grad():
            g = net.speaker(x["sid"])
            z, _ = net.latent(x["phone"], x["pitch"], x["lengths"], g, zero)
            source = net.dec.source(x["f0"], zero)
            whole = net.dec(z, g=g, source=source, noise=zero)
            edge, low, high = net.dec.context_frames, 100, 160
            a, b = max(0, low - edge), min(frames, high + edge)
            part = net.dec(z[:, :, a:b], g=g, source=source[:, :, a * hop : b * hop], noise=zero)
        cut = part[:, :, (low - a) * hop : (high - a) * hop]
        assert off_peak(cut, whole[:, :, low * hop : high * hop]) < 1e-5

    def test_checkpointing_changes_no_gradient(self, vocoder: str, rate: int) -> None:
        net, x = tiny.net(rate, vocoder), tiny.inputs(6)
        grads = []
        for active in (False, True):
            net.zero_grad()
            net.dec.checkpointing = active
            net.infer(**x, noise=ZeroNoise()).square().mean().backward()
            assert net.emb_g.weight.grad is not None
            grads.append(net.emb_g.weight.grad.clone())
        assert torch.allclose(grads[0], grads[1], atol=1e-7)
        assert grads[0].abs().sum() > 0

    def test_a_training_pass_reaches_every_part(self, vocoder: str, rate: int) -> None:
        net = tiny.net(rate, vocoder).train()
        size = net.settings.segment_frames
        x = tiny.inputs(size + 5, batch=2)
        spec = torch.rand(2, net.settings.spec_channels, size + 5)
        out = net(x["phone"], x["lengths"], x["pitch"], x["f0"], spec, x["lengths"], x["sid"])
        assert out.audio.shape == (2, 1, net.settings.segment_size)
        assert (out.starts <= 5).all()
        (out.audio.square().mean() + out.z_p.square().mean() + out.m_p.square().mean()).backward()
        silent = [k for k, p in net.named_parameters() if p.grad is None]
        assert not silent


def test_longer_input_does_not_change_the_frames_of_a_shorter_one() -> None:
    net, x = tiny.net(), tiny.inputs(30, batch=2)
    with torch.no_grad():
        alone = net.encode(x["phone"][:1, :20], x["pitch"][:1, :20], torch.tensor([20]))[0]
        together = net.encode(x["phone"], x["pitch"], torch.tensor([20, 30]))[0]
    assert torch.allclose(alone[0], together[0, :, :20], atol=1e-5)
    assert together[0, :, 20:].abs().max() == 0


def test_a_voice_without_pitch_needs_none() -> None:
    net = tiny.net(use_f0=False)
    x = tiny.inputs(9) | {"pitch": None, "f0": None}
    with torch.no_grad():
        assert net.infer(**x).shape == (1, 1, 9 * 400)
