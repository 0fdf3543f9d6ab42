"""The lite vocoder: right pitch before any training, unit-power source, cheap, block-exact."""

from __future__ import annotations

import numpy as np
import torch

from rvc.nets import config, lite
from rvc.nets.discriminators import Discriminators
from rvc.nets.layers import ZeroNoise
from rvc.nets.synthesizer import Synthesizer

RATE, HOP = 24000, 240


def _decoder() -> lite.Lite:
    torch.manual_seed(0)
    return lite.Lite(config.load(RATE, "lite")).eval()


def test_comb_has_unit_power_at_any_pitch_and_none_without() -> None:
    for hz in (70.0, 155.0, 480.0, 900.0):
        wave = lite.comb(torch.full((1, 200), hz), HOP, RATE)
        assert abs(wave.square().mean().item() - 1) < 0.05
    assert lite.comb(torch.zeros(1, 20), HOP, RATE).abs().max() == 0


def test_comb_harmonics_lie_at_multiples_of_the_pitch() -> None:
    wave = lite.comb(torch.full((1, 100), 200.0), HOP, RATE)[0].numpy()
    power = np.abs(np.fft.rfft(wave)) ** 2  # 1 Hz bins
    on = power[::200][1:60].sum()
    assert on / power.sum() > 0.99


def test_short_time_round_trip_is_exact_inside() -> None:
    short = lite.ShortTime(768, HOP)
    wave = torch.randn(2, HOP * 20)
    back = short.inverse(short(wave))
    assert back.shape == wave.shape
    assert (back - wave)[:, 400:-400].abs().max() < 1e-4


def test_untrained_decoder_already_sings_the_right_pitch() -> None:
    f0 = torch.full((1, 100), 220.0)
    with torch.no_grad():
        wave = _decoder()(torch.zeros(1, 128, 100), f0, noise=ZeroNoise())[0, 0].numpy()
    assert len(wave) == 100 * HOP
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    near = sum(power[k * 220 - 3 : k * 220 + 4].sum() for k in range(1, 54))
    assert near / power.sum() > 0.9


def test_blocks_with_context_give_what_the_whole_gives() -> None:
    dec, frames = _decoder(), 160
    z, f0 = torch.randn(1, 128, frames), torch.full((1, frames), 130.0)
    with torch.no_grad():
        source = dec.source(f0)
        whole = dec(z, source=source)
        c = dec.context_frames
        a, b = 60, 100
        part = dec(z[..., a - c : b + c], source=source[..., (a - c) * HOP : (b + c) * HOP])
    kept = part[..., c * HOP : (c + b - a) * HOP]
    assert (kept - whole[..., a * HOP : b * HOP]).abs().max() < 1e-4


def test_costs_a_tenth_of_the_standard_decoder() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as count, torch.no_grad():
        _decoder()(torch.zeros(1, 128, 100), torch.full((1, 100), 150.0))
    assert count.get_total_flops() < 5e9  # HiFi-GAN at 40 kHz: 91e9


def test_trains_with_its_own_discriminators() -> None:
    s = config.load(RATE, "lite")
    net, discriminators = Synthesizer(s, 192, True, 2, "lite"), Discriminators("lite")
    n, t = 2, 140
    phone, hz = torch.randn(n, t, 192), torch.full((n, t), 150.0)
    lengths, pitch = torch.full((n,), t), torch.full((n, t), 90)
    out = net(phone, lengths, pitch, hz, torch.rand(n, 513, t), lengths, torch.tensor([0, 1]))
    assert out.audio.shape == (n, 1, s.segment_size)
    verdicts, maps = discriminators(out.audio)
    assert [len(m) for m in maps] == [6] * len(verdicts) == [6] * 3
    torch.stack([v.mean() for v in verdicts]).sum().backward()
    gradient = net.dec.get_parameter("filters.weight").grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


def test_padding_of_a_batch_reaches_no_frame_of_the_prior() -> None:
    torch.manual_seed(0)
    encoder = lite.Encoder(16, 8, 32, 2, 3, 3, 0.0, 12).eval()
    phone, pitch = torch.randn(1, 30, 12), torch.randint(1, 255, (1, 30))
    padded = torch.cat([phone, torch.full((1, 9, 12), 5.0)], 1)
    with torch.no_grad():
        alone = encoder(phone, pitch, torch.tensor([30]))
        among = encoder(padded, torch.cat([pitch, pitch[:, :9]], 1), torch.tensor([30]))
    for a, b in zip(alone, among, strict=True):
        assert (a - b[:, :, :30]).abs().max() < 1e-5
        assert b[:, :, 30:].abs().max() == 0


def test_the_prior_is_certain_before_training_and_moves_with_content_and_pitch() -> None:
    torch.manual_seed(0)
    encoder = lite.Encoder(16, 8, 32, 2, 3, 3, 0.0, 12).eval()
    phone, pitch = torch.randn(1, 30, 12), torch.full((1, 30), 80)
    with torch.no_grad():
        mean, deviation, _ = encoder(phone, pitch, torch.tensor([30]))
        other = encoder(phone.flip(1), pitch, torch.tensor([30]))[0]
        higher = encoder(phone, pitch + 40, torch.tensor([30]))[0]
    assert deviation.exp().max() < 0.1
    assert (other - mean).abs().mean() > 0.05
    assert (higher - mean).abs().max() > 0
