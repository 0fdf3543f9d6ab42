"""The formant presets through the command line: what the networks hear, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc import f0
from rvc.audio import io
from rvc.embedders.manager import EmbedderManager
from rvc.onnx import accelerate
from rvc.tools import demo
from tests import fakes, tiny
from tests.conftest import Cli

pytest.importorskip("stftpitchshift")
RATE = 16_000
PRESETS = Path(__file__).parents[2] / "rvc" / "assets" / "formant_shift"


def vowels(f0_hz: float = 130.0) -> np.ndarray:
    """Three vowels of 0.7 s: harmonics of one slightly moving pitch under known resonances."""
    t = np.arange(round(0.7 * RATE)) / RATE
    parts = []
    for formants_hz in ((700, 1200, 2600), (400, 1900, 2600), (350, 800, 2500)):
        phase = 2 * np.pi * f0_hz * (t + 0.002 * np.sin(9 * t))
        gains = [
            sum(1 / (1 + ((k * f0_hz - f) / 120) ** 2) for f in formants_hz)
            for k in range(1, int(6000 / f0_hz))
        ]
        wave = sum(gain * np.sin((k + 1) * phase) for k, gain in enumerate(gains))
        parts.append(0.3 * wave / np.abs(wave).max())
    return np.concatenate(parts).astype(np.float32)


Hearing = Callable[..., tuple[np.ndarray, np.ndarray]]


def envelope_db(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean spectrum smoothed over its harmonics: ((513,) Hz, (513,) dB)."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 1024)[::256] * np.hanning(1024)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).mean(axis=0)
    kernel = np.hanning(21) / np.hanning(21).sum()
    smooth = np.convolve(power, kernel, "same")
    return np.fft.rfftfreq(1024, 1 / RATE), 10 * np.log10(smooth + 1e-12)


def stretch(before: np.ndarray, after: np.ndarray) -> float:
    """The factor on the frequency axis that makes one envelope most like the other."""
    hz = np.geomspace(300, 4000, 400)
    axis, low = envelope_db(before)
    _, high = envelope_db(after)
    factors = np.arange(0.6, 1.6, 0.01)
    alike = [
        np.corrcoef(np.interp(hz, axis, low), np.interp(hz * f, axis, high))[0, 1] for f in factors
    ]
    return float(factors[int(np.argmax(alike))])


def cents(one_hz: np.ndarray, other_hz: np.ndarray) -> np.ndarray:
    both = (one_hz > 0) & (other_hz > 0)
    assert both.sum() > 0.8 * max((one_hz > 0).sum(), (other_hz > 0).sum())
    return np.asarray(np.abs(1200 * np.log2(one_hz[both] / other_hz[both])))


def preset(name: str) -> list[str]:
    """The options of a preset as words of a command line."""
    chosen = json.loads((PRESETS / f"{name}.json").read_text())
    given = [(f"--{key.replace('_', '-')}", value) for key, value in chosen.items()]
    return ["--formant-shifting", *(word for pair in given for word in pair)]


class Ear(fakes.FakeEmbedder):
    """Remembers what it hears."""

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        self.heard = wave_16k
        return super().__call__(wave_16k)


@pytest.fixture
def heard(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hearing:
    """(options) -> (what the embedder hears, the pitch that is found) of the three vowels."""
    ear = Ear(tiny.EMBED_WIDTH)
    monkeypatch.setattr(EmbedderManager, "load", lambda *a, **k: ear)
    monkeypatch.setattr(EmbedderManager, "home", lambda *a, **k: tmp_path)
    monkeypatch.setattr(accelerate, "embedder", lambda *a: None)
    monkeypatch.setenv("RVC_NO_GRAPHS", "1")
    source, pth, curve = (tmp_path / n for n in ("vowels.wav", "v.pth", "f0.csv"))
    soundfile.write(source, vowels(), RATE)
    tiny.voice(pth)

    def run(*options: object) -> tuple[np.ndarray, np.ndarray]:
        done = cli(
            "infer", "--input-path", source, "--output-path", tmp_path / "out.wav", "--pth-path",
            pth, "--gpu", "-", "--f0-method", "swift-f0", "--f0-export", curve, *options,
        )  # fmt: skip
        assert done.code == 0, done.err
        return ear.heard, np.loadtxt(curve, delimiter=",", skiprows=1)[:, 1]

    return run


@pytest.mark.parametrize(("name", "factor"), [("f2m", 0.8), ("m2f", 1.2)])
def test_a_preset_moves_the_formants_and_leaves_the_pitch(
    heard: Hearing, name: str, factor: float
) -> None:
    before, pitch_before = heard()
    after, pitch_after = heard(*preset(name))
    assert after.shape == before.shape
    assert stretch(before, after) == pytest.approx(factor, abs=0.06)
    assert np.median(cents(pitch_before, pitch_after)) < 5


def test_the_wild_preset_turns_the_sound_upside_down(heard: Hearing) -> None:
    """Its lifter is so long that it takes the harmonics along: nothing of the vowel is left."""
    before, _ = heard()
    after, _ = heard(*preset("random"))
    assert after.shape == before.shape
    assert np.isfinite(after).all()
    hz, (low, high) = envelope_db(before)[0], (envelope_db(w)[1] for w in (before, after))
    power = [10 ** (level / 10) for level in (low, high)]
    centre = [(p * hz).sum() / p.sum() for p in power]
    assert centre[1] > 2 * centre[0]


def test_every_preset_is_known() -> None:
    assert {f.stem for f in PRESETS.glob("*.json")} == {"f2m", "m2f", "random"}


@pytest.mark.parametrize("name", ["f2m", "m2f"])
def test_a_voice_answers_with_its_own_formants_at_the_same_pitch(
    cli: Cli, tmp_path: Path, name: str
) -> None:
    """The presets help it to understand; they do not turn it into another voice."""
    source = tmp_path / "speech.wav"
    soundfile.write(source, io.load(demo.SAMPLE, RATE)[0][: 3 * RATE], RATE)
    made: list[np.ndarray] = []
    for options in ([], preset(name)):
        target = tmp_path / f"{len(made)}.wav"
        done = cli(
            "infer", "--input-path", source, "--output-path", target, "--pth-path", demo.VOICE,
            "--f0-method", "swift-f0", "--gpu", "-", "--seed", 1, *options,
        )  # fmt: skip
        assert done.code == 0, done.err
        made.append(io.load(target, RATE)[0])
    assert len(made[0]) == len(made[1]) == 3 * RATE
    extract = f0.load("swift-f0")
    assert np.median(cents(extract(made[0]), extract(made[1]))) < 20
    assert not np.array_equal(made[0], made[1])
    change_db = envelope_db(made[0])[1] - envelope_db(made[1])[1]
    assert np.abs(change_db[10:300]).mean() < 1
