"""One recording into training slices. Runs in worker processes, so it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rvc import failures
from rvc.audio import Account, LossJson, dsp, encode, io, slicer
from rvc.audio.stream import resample
from rvc.dataset import manifest
from rvc.errors import BadInput

VERSION = 2  # raise it when the same options give other slices
PART_S = 300.0  # long recordings are worked on in parts of about this length
REACH_S = 2.0  # how far a part's end may move to find a quiet point
RATE_16K = 16000
TINY = 1e-5  # -100 dBFS; below it there is nothing
CLIPPED_SHARE, FULL_SCALE = 1e-3, 0.999
TOO_SHORT, SILENT, EMPTY = "too short", "silent", "empty"  # takes that harm nothing
SHORTEST_S = 0.05  # of a recording; less is no sound that anybody makes
UNSOUND_SHARE = 0.5  # a stretch with more values that are not numbers is not cut at all
PARTS_NUMBERED = 1000  # slice numbers reserved for each part
FOLDERS = ("sliced_audios", "sliced_audios_16k")


@dataclass(frozen=True)
class Options:
    """How recordings are cut and treated; equal options give equal slices."""

    sample_rate: int
    cut: str
    chunk_s: float
    overlap_s: float
    highpass: bool
    denoise: float | None
    normalise: str
    separate: str | None = None  # the networks that take music out, None leaves it in
    gate_db: str = "auto"
    track: int | None = None


@dataclass(frozen=True)
class Uncut:
    """A recording, or one part of a long one, that a worker is to cut.

    Attributes:
        key: the recording's name inside the dataset. stem: `<speaker>_<number>` of its slices.
        start, stop: nominal frames of the part at the file's own rate; stop None is the end.
        first: number of the first slice. seconds: about how long it is.
        out: the experiment's folder.
    """

    path: Path
    key: str
    stem: str
    options: Options
    out: Path
    start: int = 0
    stop: int | None = None
    first: int = 0
    seconds: float = 0.0


@dataclass
class Outcome:
    """What became of it; `cause` says why there is no slice at all."""

    key: str
    slices: list[str] = field(default_factory=list)
    seconds: float = 0.0
    digest: str = ""
    cause: str = ""
    kind: str = ""  # of the cause, where it is the recording's nature and no damage
    warnings: list[str] = field(default_factory=list)
    clipped: float = 0.0
    losses: list[LossJson] = field(default_factory=list)


def work(raw: Uncut) -> Outcome:
    """Cut the sound and write its slices at the voice's rate and at 16 kHz.

    Raises:
        OSError: the slices cannot be written. A recording that cannot be read is an outcome.
    """
    outcome = Outcome(raw.key)
    loudest = _peak(raw) if raw.options.normalise == "pre" else None
    for wave, rate, position in _parts(raw, outcome):
        outcome.seconds += len(wave) / rate
        if position == 0 and raw.stop is None and len(wave) < SHORTEST_S * rate:
            outcome.cause = f"it is too short ({1000 * len(wave) / rate:.0f} ms)."
            outcome.kind = TOO_SHORT
            break
        outcome.clipped += float((np.abs(wave) >= FULL_SCALE).sum()) / rate
        _slice(wave, rate, position, loudest, raw, outcome)
    if not outcome.cause and not raw.start:
        outcome.digest = manifest.file_digest(raw.path)
    return outcome


def _peak(raw: Uncut) -> float:
    """The peak of what will be cut, over the recording's whole length; 0 if it cannot be read."""
    if raw.options.separate:
        parts = _parts(raw, Outcome(raw.key))
        voices = (_without_music(np.nan_to_num(wave), rate) for wave, rate, _ in parts)
        return max(map(dsp.peak, voices), default=0.0)
    try:
        blocks = io.blocks(raw.path, strict=False, account=Account(), track=raw.options.track)
        return max(dsp.peak(np.nan_to_num(block.wave)) for block in blocks)
    except (BadInput, OSError):
        return 0.0


def _parts(raw: Uncut, outcome: Outcome) -> Iterator[tuple[np.ndarray, int, int]]:
    """(wave (T,), rate, first frame) of stretches of about 5 minutes that end at quiet points."""
    account, path, track = Account(), raw.path, raw.options.track
    try:
        rate = io.info(path, track).rate
        start = _border(path, raw.start, rate, track) if raw.start else 0
        stop = _border(path, raw.stop, rate, track) if raw.stop else None
        held, at = np.zeros(0, np.float32), start
        for block in io.blocks(path, True, PART_S, start, stop, False, account, track):
            held = np.concatenate([held, block.wave]) if len(held) else block.wave
            if raw.options.cut != "Skip" and len(held) >= (PART_S + 4 * REACH_S) * rate:
                cut = len(held) - slicer.quietest(held[-round(2 * REACH_S * rate) :], rate)
                yield held[:cut], rate, at
                held, at = held[cut:], at + cut
        if len(held):
            yield held, rate, at
    except BadInput as error:
        outcome.cause = error.message
    except OSError as error:
        outcome.cause = failures.explain(error).message
    outcome.losses += account.json()
    outcome.warnings += [f"{raw.key}: {text}" for text in account.sentences()]


def _border(path: Path, nominal: int, rate: int, track: int | None) -> int:
    """The quietest frame near `nominal`; both parts that meet there find the same one."""
    reach = round(REACH_S * rate)
    start = max(0, nominal - reach)
    near = io.blocks(path, True, PART_S, start, nominal + reach, False, Account(), track)
    wave = np.concatenate([block.wave for block in near])
    return start + len(wave) - slicer.quietest(wave, rate)


def _slice(
    wave: np.ndarray,
    rate: int,
    position: int,
    loudest: float | None,
    raw: Uncut,
    outcome: Outcome,
) -> None:
    """Treat, cut and write one stretch."""
    options = raw.options
    unsound = ~np.isfinite(wave)
    if unsound.mean() > UNSOUND_SHARE:
        outcome.cause = f"{raw.path} holds values that are not numbers."
        return
    holes = [(a / rate, b / rate) for a, b in slicer.runs(unsound)] if unsound.any() else []
    wave = _treat(np.where(unsound, 0, wave) if holes else wave, rate, loudest, options)
    for start, stop in _cuts(wave, options):
        begin, end = start / options.sample_rate, stop / options.sample_rate
        piece = wave[start:stop]
        if any(a < end and b > begin for a, b in holes):
            at = position / rate + begin
            outcome.warnings.append(
                f"{raw.key}: the slice at {at:.1f} s was left out, it holds values that are "
                "not numbers"
            )
        elif dsp.peak(piece) > TINY:
            name = f"{raw.stem}_{raw.first + len(outcome.slices)}.wav"
            _write(normalised(piece) if options.normalise == "post" else piece, name, raw)
            outcome.slices.append(name)


def _treat(wave: np.ndarray, rate: int, loudest: float | None, options: Options) -> np.ndarray:
    """Resample, after music was taken out; then what else the options ask for, in this order:
    high-pass, level, noise."""
    if options.separate:
        wave = _without_music(wave, rate)
    wave = resample(wave, rate, options.sample_rate)
    if options.highpass:
        wave = dsp.highpass(wave, options.sample_rate, zero_phase=False)
    if loudest is not None:
        wave = normalised(wave, loudest)
    if options.denoise is not None:
        from rvc.audio.effects import denoise

        wave = denoise(wave, options.sample_rate, options.denoise)
    return wave


def _without_music(wave: np.ndarray, rate: int) -> np.ndarray:
    """The voice in a recording (T,), by the networks of the kit."""
    from rvc.separation import models, stems

    return stems.voice_in(wave, rate, models.load())


def normalised(wave: np.ndarray, loudest: float | None = None) -> np.ndarray:
    """Applio's levelling: 3/4 of the way to a peak of 0.9, and the rest as it was.

    Silence stays silent; what exceeds full scale is brought down to it first.

    Args:
        loudest: the peak to go by; None takes the wave's own.
    """
    top = dsp.peak(wave) if loudest is None else loudest
    if top <= TINY:
        return wave
    gain = 0.9 * 0.75 / top + 0.25 / max(top, 1.0)
    return (wave * np.float32(gain)).astype(np.float32)


def _cuts(wave: np.ndarray, options: Options) -> list[tuple[int, int]]:
    if options.cut == "Skip":
        return [(0, len(wave))]
    if options.cut == "Simple":
        return slicer.simple(len(wave), options.sample_rate, options.chunk_s, options.overlap_s)
    return slicer.automatic(wave, options.sample_rate, options.gate_db)


def _write(piece: np.ndarray, name: str, raw: Uncut) -> None:
    rate = raw.options.sample_rate
    encode.write_float(raw.out / FOLDERS[0] / name, piece, rate)
    encode.write_float(raw.out / FOLDERS[1] / name, resample(piece, rate, RATE_16K), RATE_16K)


def split(path: Path, key: str, stem: str, options: Options, out: Path) -> list[Uncut]:
    """One recording to cut, or the parts of a long one that can be read from anywhere.

    Raises:
        BadInput: its header cannot be read.
    """
    head = io.info(path, options.track)
    whole = Uncut(path, key, stem, options, out, seconds=head.seconds)
    long = head.seconds > 2 * PART_S and head.exact
    if not long or options.normalise == "pre" or options.cut == "Skip":
        return [whole]
    count = int(head.seconds // PART_S)
    edges = [round(head.frames * i / count) for i in range(count)]
    return [
        Uncut(path, key, stem, options, out, a, b, i * PARTS_NUMBERED, head.seconds / count)
        for i, (a, b) in enumerate(zip(edges, [*edges[1:], None], strict=True))
    ]
