"""Conversion as a whole: lengths, silence, seams, seeds, stereo, levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from rvc import infer
from rvc.audio import dsp
from rvc.embedders.manager import EmbedderManager
from rvc.errors import BadInput, Mismatch
from rvc.f0 import contour
from rvc.f0.contour import Phase, lead_in_hz
from rvc.infer import postprocess
from rvc.infer import voice as voices
from rvc.infer.blocks import Blocks, Sound, TorchDecoder
from rvc.infer.convert import convert, pitch_control
from rvc.infer.noise import DECODER, LayerNoise, PositionalNoise, SourceNoise
from rvc.infer.voice import Voice
from rvc.nets import refinegan
from rvc.nets.layers import Noise, ZeroNoise
from rvc.nets.synthesizer import Synthesizer
from rvc.params import Conversion
from rvc.retrieval import index
from tests import fakes, tiny
from tests.fakes import FakeEmbedder
from tests.infer.conftest import sung

RATE = 40_000
GATES = ("auto", "off", -80, "-60.5")


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (1, 16_000),
        (399, 16_000),
        (16_000, 16_000),
        (44_101, 44_100),
        (7_999, 8_000),
        (30_011, 22_050),
    ],
)
def test_length_is_exact(voice: Voice, samples: int, rate: int) -> None:
    out, out_rate = convert(voice, sung(samples / rate + 1, rate)[:samples], rate, seed=0)
    assert out_rate == RATE
    assert len(out) == max(1, round(samples * RATE / rate))
    assert np.isfinite(out).all()


def test_silence_stays_silent_and_costs_nothing(voice: Voice, fake_networks: FakeEmbedder) -> None:
    out, _ = convert(voice, np.zeros(32_000, np.float32), 16_000)
    assert not out.any()
    rng = np.random.default_rng(0)
    room = (rng.standard_normal(32_000) * 10 ** (-70 / 20)).astype(np.float32)
    out, _ = convert(voice, room, 16_000)
    assert not out.any()
    assert fake_networks.samples == 0


def test_pauses_are_silent_in_the_result_and_skipped(
    voice: Voice, fake_networks: FakeEmbedder
) -> None:
    wave = sung(9)
    wave[3 * 16_000 : 6 * 16_000] = 0
    out, _ = convert(voice, wave, 16_000, seed=0)
    pause = out[round(3.05 * RATE) : round(5.95 * RATE)]
    assert np.sqrt(np.mean(pause**2)) <= 1e-3
    assert np.abs(out[: 2 * RATE]).max() > 0.01
    assert fake_networks.samples < 7 * 16_000 + 4 * 16_000, "pieces and their context, no pause"


def test_seams_cannot_be_heard(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.deafen(voice.net)
    wave = sung(7)
    whole, _ = convert(voice, wave, 16_000, seed=3)
    monkeypatch.setattr(infer, "PIECE_S", 3.0)
    cut, _ = convert(voice, wave, 16_000, seed=3)
    assert not np.array_equal(whole, cut), "it was cut elsewhere"
    error = np.abs(whole - cut)
    assert error.max() < 10 ** (-40 / 20) * np.abs(whole).max()
    assert np.abs(np.diff(cut)).max() <= 1.02 * np.abs(np.diff(whole)).max()


@pytest.mark.parametrize("vocoder", ["HiFi-GAN", "MRF HiFi-GAN", "RefineGAN"])
def test_decoder_blocks_equal_the_decoder_in_one_go(
    vocoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinegan, "WIDTH", 32)  # its widths are fixed: make them narrow here
    monkeypatch.setattr(refinegan, "FIRST", 1)
    net = tiny.net(vocoder=vocoder, sample_rate=24_000 if vocoder == "RefineGAN" else 40_000)
    frames, hop, noise = 170, net.dec.hop, PositionalNoise(0)
    drawn = torch.Generator().manual_seed(0)
    z = torch.randn(1, net.settings.inter_channels, frames, generator=drawn)
    f0 = torch.full((1, frames), 220.0)
    decode = TorchDecoder(net.dec)
    with torch.no_grad():
        source = net.dec.source(f0, SourceNoise(noise, 0))
        g = net.speaker(torch.tensor([0]))

    def part(a: int, b: int, keep: tuple[int, int]) -> Sound:
        layers = LayerNoise(noise, a, b - a, DECODER)
        return decode(z[:, :, a:b], source[:, :, a * hop : b * hop], g, layers, keep)

    whole = part(0, frames, (0, frames))
    parts = Blocks(85, decode.context).run(part, 0, frames, 0, frames)
    error = np.abs(np.concatenate(list(parts)) - whole).max()
    assert error <= 1e-4 * np.abs(whole).max()
    assert np.abs(whole).std() > 0


@pytest.mark.parametrize("vocoder", ["HiFi-GAN", "MRF HiFi-GAN", "RefineGAN"])
def test_phase_runs_on_from_piece_to_piece(vocoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinegan, "WIDTH", 32)
    monkeypatch.setattr(refinegan, "FIRST", 1)
    dec = tiny.net(vocoder=vocoder, sample_rate=32_000).dec
    glides = vocoder == "RefineGAN"
    f0 = (200 + 50 * np.sin(np.arange(300) / 9)).astype(np.float32)
    f0[120:130] = 0
    zero = ZeroNoise()
    whole = dec.source(torch.from_numpy(f0)[None], zero)[0, 0].detach().numpy()
    begin, core = 100, 50
    phase = Phase().advanced(f0, 60, glides)
    phase = phase.advanced(f0[40:], begin + core, glides, first=40)
    part = f0[begin:]
    led = np.concatenate([[lead_in_hz(part, core, phase.turns, glides)], part])
    made = dec.source(torch.from_numpy(led.astype(np.float32))[None], zero)[0, 0].detach().numpy()
    a, b = made[(core + 1) * dec.hop :], whole[(begin + core) * dec.hop :]
    assert np.abs(a - b).max() < 2e-3 * np.abs(whole).max()


def test_a_seed_repeats_every_sample_and_threads_do_not_matter(
    voice: Voice, tmp_path: Path
) -> None:
    other = voices.Voice(tiny.voice(tmp_path / "other.pth", seed=5), gpu="-")
    wave = sung(2)
    one = [convert(v, wave, 16_000, seed=9)[0] for v in (voice, other)]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(convert, v, wave, 16_000, seed=9) for v in (voice, other) * 2]
        for job, expected in zip(jobs, one * 2, strict=True):
            assert np.array_equal(job.result()[0], expected)
    assert not np.array_equal(one[0], convert(voice, wave, 16_000, seed=10)[0])
    assert not np.array_equal(one[0], one[1])


def test_stereo_modes(voice: Voice) -> None:
    middle, apart = sung(1, hz=200), sung(1, hz=300, level=0.1)
    left, right = middle + apart, middle - apart
    both = np.stack([left, right], axis=1)
    mono, _ = convert(voice, both, 16_000, seed=1)
    assert mono.shape == (RATE,)
    assert np.array_equal(mono, convert(voice, (left + right) / 2, 16_000, seed=1)[0])
    each, _ = convert(voice, both, 16_000, seed=1, stereo="each")
    assert each.shape == (RATE, 2)
    assert not np.allclose(each[:, 0], each[:, 1])
    mid, _ = convert(voice, both, 16_000, seed=1, stereo="mid")
    side = (mid[:, 0] - mid[:, 1]) / 2
    expected = np.interp(np.arange(RATE) / RATE, np.arange(16_000) / 16_000, (left - right) / 2)
    gain = side @ expected / (expected @ expected)
    assert np.corrcoef(side, expected)[0, 1] > 0.99
    assert 0 < gain <= 1.01
    three = np.stack([left, right, left], axis=1)
    assert convert(voice, three, 16_000, stereo="each")[0].shape == (RATE, 3)
    with pytest.raises(BadInput, match="3 channels"):
        convert(voice, three, 16_000, stereo="mid")


def lufs(wave: np.ndarray, rate: int) -> float:
    meter = dsp.Loudness(rate)
    meter.add(wave)
    return meter.lufs()


class Played:
    """A decoder that makes sound of (latents, source) by a rule."""

    context, block, workers = 1, 200, 1

    def __init__(self, voice: Voice, rule: Callable[[Tensor, Tensor], np.ndarray]) -> None:
        self.hop, self.rule = voice.hop, rule

    def __call__(
        self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, keep: tuple[int, int]
    ) -> np.ndarray:
        assert source is not None
        return self.rule(z, source)[keep[0] * self.hop : keep[1] * self.hop]


def humming(voice: Voice, gain: float = 1.0) -> None:
    """Replace the random network by its source: a sine of the right pitch."""
    assert isinstance(voice.net, Synthesizer)
    with torch.no_grad():
        voice.net.dec.get_parameter("m_source.l_linear.weight").fill_(1.0)
        voice.net.dec.get_parameter("m_source.l_linear.bias").zero_()
    voice.decoder = Played(voice, lambda z, source: gain * source[0, 0].numpy())


@pytest.mark.parametrize("level", [0.02, 0.3, 0.9])
def test_loudness_is_matched_without_overs(voice: Voice, level: float) -> None:
    humming(voice)
    wave = sung(3, level=level)
    out, rate = convert(voice, wave, 16_000, seed=0, match_loudness=True)
    assert lufs(out, rate) == pytest.approx(lufs(wave, 16_000), abs=1)
    peak = dsp.TruePeak()
    peak.add(out)
    assert peak.peak <= 10 ** (-1 / 20)


def test_what_the_limiter_takes_is_made_up_for(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clicking(z: Tensor, source: Tensor) -> np.ndarray:
        sound = 0.1 * np.sin(np.arange(z.shape[2] * voice.hop) / 9).astype(np.float32)
        sound[::4000] = 0.6
        return sound

    voice.decoder = Played(voice, clicking)
    wave = np.clip(8 * sung(3), -0.5, 0.5)
    wanted = lufs(wave, 16_000)
    out, rate = convert(voice, wave, 16_000, seed=0, match_loudness=True)
    assert lufs(out, rate) == pytest.approx(wanted, abs=0.3)
    peak = dsp.TruePeak()
    peak.add(out)
    assert peak.peak <= 10 ** (-1 / 20)
    monkeypatch.setattr(postprocess, "LOUDER", 0)
    out, rate = convert(voice, wave, 16_000, seed=0, match_loudness=True)
    assert lufs(out, rate) < wanted - 0.5


def test_true_peak_stays_below_the_ceiling_whatever_the_network_does(voice: Voice) -> None:
    humming(voice, 50.0)
    out, _ = convert(voice, sung(2), 16_000, seed=0)
    peak = dsp.TruePeak()
    peak.add(out)
    assert 0.5 < peak.peak <= 10 ** (-1 / 20)


def test_volume_envelope_follows_the_recording(voice: Voice) -> None:
    wave = np.concatenate([sung(4, level=0.3), sung(4, level=0.003)])
    free, _ = convert(voice, wave, 16_000, seed=0, volume_envelope=1)
    forced, _ = convert(voice, wave, 16_000, seed=0, volume_envelope=0)

    def fall(out: np.ndarray) -> float:
        loud, quiet = out[RATE : 3 * RATE], out[5 * RATE : 7 * RATE]
        return float(10 * np.log10(np.mean(quiet**2) / np.mean(loud**2)))

    assert fall(forced) == pytest.approx(-40, abs=2)
    assert fall(free) > -30


def steps_db(wave: np.ndarray, rate: int, step_s: Any = 0.03) -> Any:
    size = round(step_s * rate)
    cut = wave[: len(wave) // size * size].reshape(-1, size)
    return 10 * np.log10(np.mean(np.square(cut, dtype=np.float64), axis=1) + 1e-12)


def test_a_quiet_pick_up_is_not_lifted_to_the_loud_entry_behind_it(voice: Voice) -> None:
    humming(voice, 0.5)
    word = sung(3) / np.sqrt(np.mean(sung(3) ** 2))
    song = np.concatenate([word * 10 ** (-58 / 20), word * 10 ** (-20 / 20)]).astype(np.float32)
    out, rate = convert(voice, song, 16_000, seed=0, volume_envelope=0)
    given, made = steps_db(song, 16_000), steps_db(out, rate)
    nearby = np.array([given[max(0, k - 2) : k + 3].max() for k in range(len(made))])
    assert (made <= nearby + 12).all()
    assert made[110:].mean() == pytest.approx(given[110:].mean(), abs=3)
    assert made[10:90].mean() == pytest.approx(given[10:90].mean(), abs=3)


@pytest.mark.parametrize("peak", [0.5, 40.0])
def test_one_tap_changes_nothing_of_the_rest(voice: Voice, peak: float) -> None:
    wave = sung(4, level=10 ** (-51 / 20))
    tapped = wave.copy()
    tapped[800:1280] = np.random.default_rng(0).uniform(-peak, peak, 480)
    shares = []
    for sound in (wave, tapped):
        out, rate = convert(voice, sound, 16_000, seed=0)
        shares.append(np.mean(np.abs(out[rate // 2 :]) > 1e-5))
    assert shares[1] == pytest.approx(shares[0], abs=0.05)
    assert shares[0] > 0.5


def test_the_gate_of_a_conversion_can_be_set_and_switched_off(voice: Voice) -> None:
    humming(voice, 0.5)
    room = (np.random.default_rng(0).standard_normal(16_000) * 10 ** (-70 / 20)).astype(np.float32)
    loudest = {g: np.abs(convert(voice, room, 16_000, seed=0, gate_db=g)[0]).max() for g in GATES}
    assert [level > 1e-4 for level in loudest.values()] == [False, True, True, False]
    for wrong in ("loud", "5", "-500", "nan"):
        with pytest.raises(ValueError, match="dBFS"):
            Conversion(gate_db=wrong)


def test_export_rate_and_loud_input(voice: Voice) -> None:
    out, rate = convert(voice, 4 * sung(1), 16_000, export_rate="48000", seed=0)
    assert (rate, len(out)) == (48_000, 48_000)
    out, rate = convert(voice, sung(1, 22_050), 22_050, export_rate="input")
    assert (rate, len(out)) == (22_050, 22_050)


def tuned(voice: Voice, f0: Sequence[float], **options: Any) -> np.ndarray:
    f0_hz = np.array(f0, np.float32)
    return pitch_control(voice, Conversion(**options))(f0_hz, contour.median_hz(f0_hz))


def test_pitch_options(voice: Voice) -> None:
    f0 = [0, 100, 103, 0, 452, 0]
    assert np.allclose(tuned(voice, f0, pitch=12), 2 * np.array(f0))
    snapped = tuned(voice, f0, f0_autotune=True, pitch=12)
    assert np.allclose(snapped, [0, 196.0, 207.65, 0, 880, 0], atol=0.01)
    half = tuned(voice, f0, f0_autotune=True, f0_autotune_strength=0.5)
    assert half[4] == pytest.approx((440 * 452) ** 0.5, rel=1e-4), "half way in cents"
    proposed = tuned(voice, f0, proposed_pitch=True, proposed_pitch_threshold=206)
    assert proposed[2] == pytest.approx(206, rel=1e-4)
    assert (proposed > 0).tolist() == [hz > 0 for hz in f0]
    assert tuned(voice, [0, 1000, 1010], pitch=8).max() > 1600
    with pytest.raises(Mismatch, match="median"):
        tuned(voice, f0, proposed_pitch=True, proposed_pitch_auto=True)
    voice.file.meta["median_f0_hz"] = 412.0
    auto = tuned(voice, f0, proposed_pitch_auto=True)
    assert auto[2] == pytest.approx(412, rel=1e-4), "the median itself, wherever it lies"


def test_split_audio_hears_each_stretch_alone(voice: Voice, fake_networks: FakeEmbedder) -> None:
    wave = sung(6)
    wave[2 * 16_000 : 4 * 16_000] = 0
    pieces = infer.plan(infer.levels(wave), len(wave), isolated=True)
    assert len(pieces) == 2
    assert pieces[0].high <= 2.4 * 16_000
    assert pieces[1].low >= 3.6 * 16_000
    joined, _ = convert(voice, wave, 16_000, seed=0)
    split, _ = convert(voice, wave, 16_000, seed=0, split_audio=True)
    assert len(joined) == len(split)


def test_a_voice_without_pitch_and_other_speakers(
    fake_networks: FakeEmbedder, tmp_path: Path
) -> None:
    voice = voices.Voice(tiny.voice(tmp_path / "no.pth", use_f0=False, n_speakers=3), gpu="-")
    first, _ = convert(voice, sung(1), 16_000, seed=0)
    second, _ = convert(voice, sung(1), 16_000, seed=0, sid="2")
    assert np.abs(first).max() > 1e-3
    assert not np.array_equal(first, second)
    with pytest.raises(BadInput, match="no speaker '3'"):
        convert(voice, sung(1), 16_000, sid="3")


def test_a_speaker_that_was_never_trained_is_named(
    fake_networks: FakeEmbedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = voices.Voice(tiny.voice(tmp_path / "v.pth", n_speakers=6), gpu="-")
    assert made.speaker("3") == 3
    assert caplog.text == "", "nothing is known of it"
    made.file.meta["trained_speakers"] = [0, 5]
    assert made.speaker("5") == 5
    assert caplog.text == ""
    assert made.speaker("3") == 3
    assert "speaker 3 was never trained; its recordings were of 0, 5" in caplog.text


def test_bad_arrays_and_wrong_embedders(
    voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="not numbers"):
        convert(voice, np.array([0.0, np.nan]), 16_000)
    with pytest.raises(BadInput, match="no sound"):
        convert(voice, np.zeros(0), 16_000)
    wide = fakes.FakeEmbedder(48)
    monkeypatch.setattr(EmbedderManager, "load", lambda *a, **k: wide)
    with pytest.raises(Mismatch, match="width 32"):
        voices.Voice(voice.path, gpu="-")


def test_a_changed_file_is_loaded_anew_and_an_unchanged_one_is_not(
    fake_networks: FakeEmbedder, tmp_path: Path
) -> None:
    pth, p = tiny.voice(tmp_path / "v.pth"), Conversion(gpu="-")
    first = voices.load(pth, None, p)
    assert voices.load(pth, None, p) is first
    tiny.voice(pth, seed=1, n_speakers=3)
    assert voices.load(pth, None, p) is not first


def test_the_lines_of_the_readme_run_as_they_are_written(
    voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = text.split("## From Python\n\n```python\n")[1].split("```")[0]
    soundfile.write(tmp_path / "song.wav", sung(1), 16_000)
    tiny.voice(tmp_path / "voice.pth")
    rows = np.random.default_rng(0).standard_normal((50, tiny.EMBED_WIDTH)).astype(np.float32)
    index.write(index.build(rows), tmp_path / "voice.index")
    monkeypatch.chdir(tmp_path)
    exec(lines, {})
    made, rate = soundfile.read("converted.wav")
    assert (len(made), rate) == (RATE, RATE)
    assert np.abs(made).max() > 1e-3


def test_memory_that_runs_out_changes_the_blocks_and_not_the_sound(
    voice: Voice, caplog: pytest.LogCaptureFixture
) -> None:
    wave = sung(3)
    expected, _ = convert(voice, wave, 16_000, seed=2)
    decode, most = voice.decoder, 130 + 2 * voice.decoder.context

    class Tight:
        block, context, workers = decode.block, decode.context, decode.workers

        def __call__(
            self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, keep: tuple[int, int]
        ) -> Sound:
            if z.shape[2] > most:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return decode(z, source, g, noise, keep)

    voice.decoder = Tight()
    out, _ = convert(voice, wave, 16_000, seed=2)
    assert "the decoder goes on in shorter pieces" in caplog.text
    assert voice.capacity.longest == {"decoder": 100}
    assert np.abs(out - expected).max() <= 1e-4 * np.abs(expected).max()
