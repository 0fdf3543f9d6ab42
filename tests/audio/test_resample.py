"""Resampling keeps tones, and works with and without torchaudio's native extension."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rvc.audio.resample import kaiser_resample, resample

ROOT = Path(__file__).parents[2]
WHOLE = """
import sys, types
fake = types.ModuleType("torchaudio._extension")  # stands for an extension that loads
fake._IS_TORCHAUDIO_EXT_AVAILABLE = False
fake._load_lib = lambda name: False
fake.fail_if_no_align = lambda f: f
sys.modules["torchaudio._extension"] = fake
"""
BROKEN = """
import sys, types
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torchaudio._extension":
            raise OSError("libc10_cuda.so: cannot open shared object file")
sys.meta_path.insert(0, Finder())
"""
CHECK = """
import torch
from rvc.audio.resample import kaiser_resample, torchaudio
assert kaiser_resample(torch.zeros(1, 1, 100), 10, 1).shape == (1, 1, 10)
import torchaudio as plain
assert plain is torchaudio()
print("same stub" if sys.modules["torchaudio._extension"] is globals().get("fake") else "other")
"""


def tone(rate, hz=440.0, seconds=1.0):
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize(("start", "end"), [(44100, 16000), (16000, 48000), (8000, 16000)])
def test_a_tone_stays_the_same_tone(start, end):
    out = resample(tone(start), start, end)
    assert out.dtype == np.float32
    assert len(out) == end
    middle = slice(end // 10, -end // 10)
    assert np.abs(out - tone(end))[middle].max() < 1e-3


def test_equal_rates_and_empty_sound_pass_untouched():
    wave = tone(16000)
    assert resample(wave, 16000, 16000) is wave
    assert len(resample(wave[:0], 44100, 16000)) == 0


def test_the_kaiser_resampler_removes_what_the_lower_rate_cannot_hold():
    high = torch.from_numpy(tone(40000, 15000.0))[None]
    low = torch.from_numpy(tone(40000, 1000.0))[None]
    middle = slice(1000, -1000)
    assert kaiser_resample(high, 2, 1)[:, middle].abs().max() < 1e-3
    kept = kaiser_resample(low, 2, 1)[0, middle]
    assert torch.allclose(kept, low[0, ::2][middle], atol=1e-3)


@pytest.mark.parametrize(("prelude", "said"), [(WHOLE, "same stub"), (BROKEN, "other")])
def test_torchaudio_imports_with_and_without_its_extension(prelude, said):
    done = subprocess.run(
        [sys.executable, "-c", prelude + CHECK], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == said


def test_what_inference_kept_serves_training_too():
    with torch.inference_mode():
        kaiser_resample(torch.ones(1, 1, 70), 7, 3)
    wave = torch.ones(1, 1, 70, requires_grad=True)
    kaiser_resample(wave, 7, 3).sum().backward()
    assert wave.grad.abs().sum() > 0
