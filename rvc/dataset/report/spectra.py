"""What short spectra tell of a sound: pitch, timbre, fingerprints, still partials, bandwidth.

librosa makes the mel bands and cepstra. It does not find the pitch here: its probabilistic method
takes a hundred times as long as all else together, and its plain one calls nothing unvoiced.
"""

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
LOWEST_BAND_HZ, HIGHEST_BAND_HZ = 100.0, 6500.0
CEPSTRA = 12
SMOOTH, LAG = 7, 4  # frames over which fingerprints look
SEGMENT_FRAMES = 50  # voiced frames that make one vector of the voice
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


def bands_db(power: np.ndarray) -> np.ndarray:
    """(n, FFT // 2 + 1) power spectra -> (n, BANDS) power in dB of bands equal on the mel scale."""
    import librosa

    mel = librosa.feature.melspectrogram(
        S=power.T, sr=RATE, n_fft=FFT, n_mels=BANDS, fmin=LOWEST_BAND_HZ, fmax=HIGHEST_BAND_HZ
    )
    bands: np.ndarray = librosa.power_to_db(mel, amin=1e-9, top_db=None).T
    return bands


def voice_vectors(bands: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """(segments, CEPSTRA + 1): mean cepstra and log2 pitch of stretches of voiced frames."""
    import librosa

    count = max(1, len(hz) // SEGMENT_FRAMES) if len(hz) >= SEGMENT_FRAMES // 2 else 0
    if not count:
        return np.zeros((0, CEPSTRA + 1))
    cepstra = librosa.feature.mfcc(S=bands.T, n_mfcc=CEPSTRA + 1)[1:]  # the first is loudness
    values = np.concatenate([cepstra.T, np.log2(np.maximum(hz, 1))[:, None]], axis=1)
    return np.array([part.mean(axis=0) for part in np.array_split(values, count)])


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
    prints: np.ndarray = (change > 0) @ bits
    return prints.astype(np.uint32)


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
    held_partials: np.ndarray = starts.sum(axis=1)
    return held_partials >= PARTIALS


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
