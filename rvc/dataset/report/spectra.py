"""What short spectra tell of a sound: pitch, timbre, fingerprints, still partials, bandwidth."""

from __future__ import annotations

import numpy as np

RATE = 16000
HOP, WINDOW, FFT = 320, 1024, 2048  # 20 ms, 64 ms
LOWEST_HZ, HIGHEST_HZ = 55.0, 1000.0
VOICED = 0.55  # normalised autocorrelation above which a frame has a pitch
OCTAVE_COST = 0.02
STEADY_FRAMES = 15  # a partial that stands still for 0.3 s
PROMINENCE_DB = 14.0
PARTIALS = 3
BANDS = 24
CEPSTRA = 12
SMOOTH, LAG = 7, 4  # frames over which fingerprints look
SEGMENT_FRAMES = 100  # voiced frames that make one vector of the voice
EDGE_FROM_HZ, EDGE_DB = 3000, 25.0
SPECTRUM_HZ = 100  # resolution of the long-term spectrum


def edge_hz(db: np.ndarray) -> float:
    """Where the spectrum falls by 25 dB within 400 Hz for good, as coders and resamplers make it;
    0 where it does not."""
    for at in range(EDGE_FROM_HZ // SPECTRUM_HZ, len(db) - 10):
        before, after = db[at - 8 : at - 2].mean(), db[at + 2 : at + 8].mean()
        if before - after > EDGE_DB and db[at + 2 :].max() < before - EDGE_DB + 10:
            drop = db[at - 8 : at + 8]
            return float(
                (at - 8 + np.flatnonzero(drop > (before + after) / 2)[-1] + 1) * SPECTRUM_HZ
            )
    return 0.0


def frames_of(wave: np.ndarray) -> np.ndarray:
    """(n, WINDOW) Hann-windowed frames, one per 20 ms."""
    if len(wave) < WINDOW:
        wave = np.pad(wave, (0, WINDOW - len(wave)))
    view = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
    return view * np.hanning(WINDOW).astype(np.float32)


def pitch_hz(power: np.ndarray) -> np.ndarray:
    """Pitch by autocorrelation, freed of the window's own.

    Args:
        power: (n, FFT // 2 + 1) power spectra of Hann frames.

    Returns:
        (n,) Hz, 0 where there is no period.
    """
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(WINDOW), FFT)) ** 2)
    first, last = round(RATE / HIGHEST_HZ), round(RATE / LOWEST_HZ)
    lags = np.arange(first - 1, last + 2)
    auto = np.fft.irfft(power, FFT)
    match = auto[:, lags] / np.maximum(auto[:, :1], 1e-12) / (window[lags] / window[0])
    score = match - OCTAVE_COST * np.log2(lags / first)
    inner = score[:, 1:-1]
    is_peak = (inner >= score[:, :-2]) & (inner > score[:, 2:])
    best = np.where(is_peak, inner, -np.inf).argmax(axis=1) + 1
    row = np.arange(len(best))
    a, b, c = (match[row, best + i] for i in (-1, 0, 1))
    bend = a - 2 * b + c
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (a - c) / np.where(bend == 0, 1, bend), 0)
    hz = RATE / (lags[best] + np.clip(shift, -0.5, 0.5))
    return np.where((b > VOICED) & is_peak[row, best - 1], hz, 0)


def _mel_edges() -> np.ndarray:
    """FFT bins where the bands begin and end, 100 to 6500 Hz, equal on the mel scale."""
    low, high = 1127 * np.log(1 + np.array([100, 6500]) / 700)
    hz = 700 * (np.exp(np.linspace(low, high, BANDS + 1) / 1127) - 1)
    return np.round(hz * FFT / RATE).astype(int)


def bands_db(power: np.ndarray) -> np.ndarray:
    """(n, BANDS) power in dB."""
    sums = np.add.reduceat(power, _mel_edges(), axis=1)[:, :BANDS]
    return 10 * np.log10(sums + 1e-9)


def voice_vectors(bands: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """(segments, CEPSTRA + 1): mean cepstra and log2 pitch of stretches of voiced frames."""
    count = max(1, len(hz) // SEGMENT_FRAMES) if len(hz) >= SEGMENT_FRAMES // 2 else 0
    basis = np.cos(np.pi / BANDS * (np.arange(BANDS) + 0.5)[:, None] * np.arange(1, CEPSTRA + 1))
    values = np.concatenate([bands @ basis / BANDS, np.log2(np.maximum(hz, 1))[:, None]], axis=1)
    parts = np.array_split(values, count) if count else []
    return np.array([part.mean(axis=0) for part in parts]).reshape(count, CEPSTRA + 1)


def fingerprints(bands: np.ndarray) -> np.ndarray:
    """(n,) fingerprints: signs of how the slope across the bands changes with time.

    Taken from levels smoothed over 140 ms, so that a copy whose frames fall
    between ours has nearly the same ones.
    """
    slope = np.diff(bands, axis=1)
    padded = np.pad(slope, ((SMOOTH // 2 + 1, SMOOTH // 2 + LAG), (0, 0)), mode="edge")
    sums = np.cumsum(padded, axis=0)
    smooth = sums[SMOOTH:] - sums[:-SMOOTH]
    change = smooth[LAG : LAG + len(bands)] - smooth[: len(bands)]
    bits = 1 << np.arange(BANDS - 1, dtype=np.uint32)
    return ((change > 0) @ bits).astype(np.uint32)


def stands_still(power: np.ndarray) -> np.ndarray:
    """(n,) whether several partials above 300 Hz have stood still for 0.3 s."""
    first, last = round(300 * FFT / RATE), round(5000 * FFT / RATE)
    level = 10 * np.log10(power[:, first - 20 : last + 20] + 1e-9)
    sums = np.cumsum(level, axis=1)
    around = (sums[:, 40:] - sums[:, :-40]) / 40
    middle = level[:, 20:-20]
    peaks = middle > around + PROMINENCE_DB
    peaks &= (middle >= level[:, 19:-21]) & (middle > level[:, 21:-19])
    wide = peaks.copy()
    wide[:, 1:] |= peaks[:, :-1]
    wide[:, :-1] |= peaks[:, 1:]
    held = np.cumsum(wide, axis=0, dtype=np.int32)
    lasting = np.zeros_like(wide)
    if len(wide) > STEADY_FRAMES:
        lasting[STEADY_FRAMES:] = held[STEADY_FRAMES:] - held[:-STEADY_FRAMES] == STEADY_FRAMES
    starts = lasting.copy()
    starts[:, 1:] &= ~lasting[:, :-1]
    return starts.sum(axis=1) >= PARTIALS


def long_term(wave: np.ndarray, rate: int, active: np.ndarray, hop: int) -> np.ndarray:
    """Power per 100 Hz over the frames with sound, at the file's own rate."""
    size = rate // SPECTRUM_HZ * 2
    count = len(wave) // size
    bins = np.zeros(rate // (2 * SPECTRUM_HZ))
    if not count:
        return bins
    frames = wave[: count * size].reshape(count, size)
    middles = ((np.arange(count) + 0.5) * size / rate * RATE / hop).astype(int)
    on = active[np.minimum(middles, len(active) - 1)]
    power = np.abs(np.fft.rfft(frames[on] * np.hanning(size), axis=1)) ** 2
    if on.any():
        bins += power[:, 1 : 2 * len(bins) + 1].reshape(-1, len(bins), 2).sum(axis=(0, 2))
    return bins
