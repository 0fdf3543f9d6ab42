"""Describes one recording in words and in a picture, from its own samples: nothing is resampled
or mixed before rate, channels and levels are taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, config, files, params
from rvc.audio import Account, Info, dsp, io
from rvc.audio.dsp import Loudness, TruePeak
from rvc.audio.mix import Mixer
from rvc.dataset.report import verdict
from rvc.dataset.report.measure import Measured, Unheard, measure
from rvc.errors import BadInput

COLUMNS = 1200  # of the picture, whatever the length
FFT = 2048
FAINT_DB = -100.0
ROLLOFF = 0.85
FAINTEST = 1e-9  # power of a column that counts as silence
NOTE = "Analysing"


@dataclass
class Picture:
    """What is drawn: one column per stretch of time.

    Attributes:
        edges: (columns, 2) lowest and highest sample. spectra: list of (FFT // 2 + 1,) power.
        times_s: middle of each column. true_peak: over all channels, linear.
    """

    rate: int
    times_s: list[float] = field(default_factory=list)
    edges: list[tuple[float, float]] = field(default_factory=list)
    spectra: list[np.ndarray] = field(default_factory=list)
    true_peak: float = 0.0
    loudness_lufs: float = -np.inf
    frames: int = 0

    def add(self, mono: np.ndarray, seconds: float) -> None:
        """Columns for the next samples (T,) of a recording of about this length."""
        step = max(1, round(seconds * self.rate / COLUMNS))
        for start in range(0, len(mono), step):
            piece = mono[start : start + step]
            self.times_s.append((self.frames + start + len(piece) / 2) / self.rate)
            self.edges.append((float(piece.min()), float(piece.max())))
            middle = max(0, min(start + step // 2 - FFT // 2, len(mono) - FFT))
            frame = mono[middle : middle + FFT]
            power = np.abs(np.fft.rfft(frame * np.hanning(len(frame)), FFT)) ** 2
            self.spectra.append(power.astype(np.float32))
        self.frames += len(mono)


def run(p: params.AudioAnalyzer, report: Report) -> dict[str, Any]:
    """Describe a recording.

    Raises:
        BadInput: it is no sound, or the picture's name does not end in .png.
    """
    path = p.output_path or config.paths().logs / "audio_analysis.png"
    if path.suffix.lower() != ".png":
        raise BadInput(f"{path} does not end in .png.", "Choose another name.")
    head = io.info(p.input_path, p.track)
    account = Account()
    picture = _look(p.input_path, head.seconds, report, account, p.track)
    found = measure(Unheard(p.input_path, p.input_path.name, track=p.track))
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(picture, p.input_path.name, path)
    result = _numbers(found, picture, head)
    result |= {"losses": account.json(), "notes": account.remarks()}
    said = " ".join([_sentence(p.input_path.name, result), *account.sentences()])
    return {"message": said, **result, "plot": str(path)}


def _look(
    path: Path, seconds: float, report: Report, account: Account, track: int | None = None
) -> Picture:
    """Go through the file once, block by block."""
    picture, done = Picture(0), 0.0
    peak: TruePeak | None = None
    meter: Loudness | None = None
    mixer: Mixer | None = None
    for block in io.blocks(path, mono=False, account=account, track=track):
        wave, rate = block.wave, block.rate
        picture.rate = rate
        if peak is None or meter is None or mixer is None:
            peak, meter = TruePeak(wave.shape[1]), Loudness(rate, wave.shape[1])
            mixer = Mixer(rate, wave.shape[1], block.layout)
        peak.add(wave)
        meter.add(wave)
        picture.add(mixer(wave), max(seconds, len(wave) / rate))
        done += len(wave) / rate
        report(round(done, 1), round(max(seconds, done), 1), NOTE)
    if peak is not None and meter is not None and mixer is not None:
        picture.add(mixer.rest(), max(seconds, done))
        picture.true_peak, picture.loudness_lufs = peak.peak, meter.lufs()
        mixer.tell(account)
    return picture


def _numbers(found: Measured, picture: Picture, head: Info) -> dict[str, Any]:
    """Everything in the description, JSON-ready."""
    loudness = picture.loudness_lufs
    voiced = found.f0_hz[found.f0_hz > 0]
    heard = found.peak > 0
    return {
        "format": head.format,
        "codec": head.codec,
        "rate_hz": head.rate,
        "channels": head.channels,
        "bits": head.bits or None,
        "seconds": round(found.seconds, 3),
        "peak_dbfs": round(dsp.db(found.peak), 1) if heard else None,
        "true_peak_dbtp": round(dsp.db(picture.true_peak), 1) if heard else None,
        "loudness_lufs": round(loudness, 1) if loudness > -70 else None,
        "speech_dbfs": round(found.speech_db, 1) if heard else None,
        "pauses_dbfs": round(found.floor_db, 1) if heard else None,
        "silence_share": round(found.silence_share, 3),
        "clipped": found.clipped > verdict.CLIPPED_SHARE,
        "bandwidth_hz": found.bandwidth_hz,
        "f0_median_hz": round(float(np.median(voiced)), 1) if len(voiced) else None,
    }


def _sentence(name: str, n: dict[str, Any]) -> str:
    bits = f", {n['bits']} bits" if n["bits"] else ""
    text = (
        f"{name}: {n['seconds']:.2f} s, {n['rate_hz']} Hz, {n['channels']} channel(s){bits}, "
        f"{n['format']} {n['codec']}"
    )
    if n["peak_dbfs"] is None:
        return f"{text}; it is silent."
    text += f"; peak {n['peak_dbfs']} dBFS (true {n['true_peak_dbtp']} dBTP)"
    text += f", {n['loudness_lufs']} LUFS" if n["loudness_lufs"] is not None else ""
    text += f", sound up to {n['bandwidth_hz'] / 1000:.1f} kHz"
    text += f", pitch {n['f0_median_hz']:.0f} Hz" if n["f0_median_hz"] else ", no pitch"
    return text + (", clipped." if n["clipped"] else ".")


def draw(picture: Picture, title: str, path: Path) -> None:
    """Waveform, spectrogram and spectral features over the same time axis, as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title.replace("$", r"\$"))
    wave, image, shape = figure.subplots(3, 1, sharex=True)
    times, edges = np.array(picture.times_s), np.array(picture.edges)
    wave.fill_between(times, edges[:, 0], edges[:, 1], linewidth=0.5)
    wave.set(title="Waveform", ylabel="sample", ylim=(-1.05, 1.05))
    power = np.array(picture.spectra)
    khz = np.fft.rfftfreq(FFT, 1 / picture.rate) / 1000
    db = 10 * np.log10(power.T / max(float(power.max()), 1e-12) + 10 ** (FAINT_DB / 10))
    span = (times[0], max(times[-1], times[0] + 1e-3), 0, khz[-1])
    image.imshow(db, origin="lower", aspect="auto", extent=span, vmin=FAINT_DB, vmax=0)
    image.set(title="Spectrogram", ylabel="kHz")
    for name, values in features(power, khz).items():
        shape.plot(times, values, label=name, linewidth=0.8)
    shape.set(title="Spectral features", xlabel="s", ylabel="kHz")
    shape.legend(loc="upper right")
    with files.replacing(path) as part:
        figure.savefig(part, dpi=100, format="png")


def features(power: np.ndarray, khz: np.ndarray) -> dict[str, np.ndarray]:
    """Centroid, bandwidth and 85 % roll-off of each column in kHz; gaps where it is silent.

    Args:
        power: (columns, bins). khz: (bins,).
    """
    import librosa

    shape = librosa.feature
    found = {
        "centroid": shape.spectral_centroid(S=power.T, freq=khz),
        "bandwidth": shape.spectral_bandwidth(S=power.T, freq=khz),
        "roll-off": shape.spectral_rolloff(S=power.T, freq=khz, roll_percent=ROLLOFF),
    }
    heard = power.sum(axis=1) > FAINTEST
    return {name: np.where(heard, values[0], np.nan) for name, values in found.items()}
