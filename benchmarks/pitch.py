"""Accuracy of the pitch methods on sounds whose pitch is known by construction.

Speech: recordings are given a new excitation (harmonics of a chosen contour where voiced, noise
elsewhere) under their own spectral envelope, so that every frame's true pitch is known.
    python benchmarks/pitch.py speech_folder/ --seconds 12 --methods fcpe swift-f0 crepe-tiny
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

RATE, HOP, N_FFT = 16_000, 160, 1024
KEPT = 40  # cepstral coefficients of the envelope: below any pitch period here


def harmonics(f0_hz: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Equal harmonics up to 7.5 kHz of a pitch per sample (T,); silent where it is 0."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    wave = np.zeros(len(f0_hz))
    for n in range(1, int(7500 / max(40.0, f0_hz[f0_hz > 0].min())) + 1):
        wave += np.where((f0_hz > 0) & (n * f0_hz < 7500), np.sin(n * phase + n * n), 0)
    return level * wave


def sung(wave: np.ndarray, f0_hz: np.ndarray, seed: int = 0) -> np.ndarray:
    """`wave` (T,) with the pitch `f0_hz` (frames,) instead of its own."""
    from scipy.signal import istft, stft

    at = np.arange(len(wave)) / HOP
    frames = np.arange(len(f0_hz))
    dense = np.interp(at, frames, bridged(f0_hz))
    voiced = np.interp(at, frames, (f0_hz > 0).astype(float))
    tone, noise = harmonics(dense), np.random.default_rng(seed).standard_normal(len(wave))
    tone, noise = tone / (tone.std() + 1e-9), noise * 0.3
    source = tone * voiced + noise * (1 - voiced)
    options = {"nperseg": N_FFT // 2, "noverlap": N_FFT // 2 - HOP, "nfft": N_FFT}
    _, _, spectrum = stft(wave, RATE, **options)
    cepstrum = np.fft.irfft(np.log(np.abs(spectrum) + 1e-6), axis=0)
    cepstrum[KEPT:-KEPT] = 0
    envelope = np.exp(np.fft.rfft(cepstrum, axis=0).real)
    _, _, excitation = stft(source, RATE, **options)
    _, out = istft(excitation * envelope, RATE, **options)
    out = out[: len(wave)]
    result: np.ndarray = (0.5 * out / np.abs(out).max()).astype(np.float32)
    return result


def bridged(f0_hz: np.ndarray) -> np.ndarray:
    """Bridge unvoiced stretches by a line between their neighbours; all-unvoiced stays zero."""
    out = np.array(f0_hz, np.float32)
    voiced = np.flatnonzero(out > 0)
    if len(voiced):
        out = np.interp(np.arange(len(out)), voiced, out[voiced]).astype(np.float32)
    return out


def noisy(wave: np.ndarray, snr_db: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(len(wave))
    noise *= np.sqrt(np.mean(wave**2)) * 10 ** (-snr_db / 20)
    return (wave + noise).astype(np.float32)


def material(folder: Path, seconds: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Conditions: name -> (wave at 16 kHz, true pitch per frame)."""
    from benchmarks.extract import recordings
    from rvc import f0

    contour_of = f0.load("swift-f0")
    waves = [recordings(d, seconds) for d in sorted(folder.iterdir()) if d.is_dir()]
    wave = np.concatenate(waves)
    truth = contour_of(wave)
    clean = sung(wave, truth)
    sweep_hz = np.geomspace(60, 1600, 8 * RATE)
    sweep_frames = sweep_hz[np.minimum(np.arange(len(sweep_hz) // HOP + 1) * HOP, 8 * RATE - 1)]
    sweep = harmonics(sweep_hz)
    return {
        "sweep 60-1600 Hz": ((0.3 * sweep / np.abs(sweep).max()).astype(np.float32), sweep_frames),
        "speech": (clean, truth),
        "speech, noise at 20 dB": (noisy(clean, 20), truth),
        "speech, noise at 5 dB": (noisy(clean, 5), truth),
        "octave down": (sung(wave, truth / 2), truth / 2),
        "octave up": (sung(wave, truth * 2), truth * 2),
        "two octaves up": (sung(wave, truth * 4), truth * 4),
        "the recordings, against swift-f0": (wave, truth),
    }


def score(found: np.ndarray, truth: np.ndarray) -> str:
    """missed % | gross % (> 50 cents) | median cents | false alarm %."""
    voiced = truth > 0
    edge = np.convolve(voiced, np.ones(5), "same") % 5 != 0  # onsets are a matter of opinion
    both = voiced & (found > 0) & ~edge
    cents = np.abs(1200 * np.log2(found[both] / truth[both]))
    missed = np.mean(found[voiced & ~edge] == 0)
    false = np.mean(found[~voiced & ~edge] > 0) if (~voiced & ~edge).any() else 0.0
    gross = np.mean(cents > 50) if len(cents) else 1.0
    typical = np.median(cents) if len(cents) else np.nan
    return f"{missed:6.1%} | {gross:6.1%} | {typical:5.1f} | {false:6.1%}"


def main() -> None:
    from rvc import f0

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path, help="Folder with one folder per speaker.")
    parser.add_argument("--seconds", type=float, default=12.0, help="Of each speaker.")
    parser.add_argument("--methods", nargs="+", default=["fcpe", "swift-f0", "crepe-tiny"])
    options = parser.parse_args()
    print("| method | sound | missed | wrong by > 50 cents | median cents | false alarms |")
    print("|---|---|---|---|---|---|")
    sounds = material(options.speech, options.seconds)
    for method in options.methods:
        extractor, start = f0.load(method), time.process_time()
        for name, (wave, truth) in sounds.items():
            print(f"| {method} | {name} | {score(extractor(wave), truth)} |", flush=True)
        print(f"<!-- {method}: {time.process_time() - start:.1f} s CPU -->", flush=True)


if __name__ == "__main__":
    main()
