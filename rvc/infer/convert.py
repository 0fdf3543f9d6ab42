"""Conversion: a recording of any length, piece by piece, into a voice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc import Report, memory, silent
from rvc.audio import Account
from rvc.audio.io import AudioBlock
from rvc.audio.stream import Spool, Timeline
from rvc.errors import BadInput, Mismatch
from rvc.f0 import contour
from rvc.f0.contour import Phase, PitchControl
from rvc.infer import FRAME, GRID, RATE, Piece, fades, matching, mirrored, plan, sounding
from rvc.infer.blocks import Sound
from rvc.infer.noise import PositionalNoise
from rvc.infer.pipeline import EMBEDDER_EXTRA, Pipeline, Window
from rvc.infer.postprocess import Finished, finish
from rvc.infer.recording import SpooledRecording
from rvc.infer.voice import Voice
from rvc.params import Applied, Conversion

GivenPitch = Callable[[int], np.ndarray]  # number of frames -> (T,) Hz
Heard = tuple[Piece, Tensor]  # and its features (T, W)
ExportPitch = Callable[[np.ndarray], None]  # gets (T,) Hz


def convert(
    voice: Voice,
    wave: np.ndarray,
    rate: int,
    p: Conversion | None = None,
    report: Report = silent,
    **options: Any,
) -> tuple[np.ndarray, int]:
    """Convert a sound that lies in memory.

    Args:
        wave: (T,) or (T, channels) float.
        rate: of `wave` in Hz.
        p: how; None makes it of `options`, those of `rvc.params.Conversion`, such as pitch=3.

    Returns:
        (float32 (T',) or (T', channels), its rate in Hz).

    Raises:
        BadInput: no samples, or values that are not numbers.
    """
    wave = np.asarray(wave, np.float32)
    if not np.isfinite(wave).all():
        raise BadInput("The sound holds values that are not numbers.", "Record it again.")
    p = p or Conversion(**options)
    with stream([AudioBlock(wave, 0, rate)], voice, p, report) as done:
        out = np.concatenate(list(done.blocks()))
        return (out[:, 0] if wave.ndim == 1 or out.shape[1] == 1 else out), done.rate


def stream(
    blocks: Iterable[AudioBlock],
    voice: Voice,
    p: Conversion,
    report: Report = silent,
    folder: Path | None = None,
    given_f0: GivenPitch | None = None,
    export_f0: ExportPitch | None = None,
    save_memory: bool = True,
    account: Account | None = None,
) -> Finished:
    """Convert a stream of blocks in constant memory; the result is read as one and then closed.

    Args:
        folder: where long signals are kept meanwhile.
        given_f0: (frames) -> pitch of the recording to use instead of estimating it.
        export_f0: gets the pitch of the (first) sound before it is changed.
        save_memory: the embedder leaves memory while it is not at work.
        account: gets what was decided about the recording's channels.
    """
    recording = SpooledRecording(p.stereo, voice.rate, folder, p.match_loudness)
    try:
        recording.read(blocks, lambda s: report(s, s, "Reading"), account)
        recording.prepare(_formants(p))
        if save_memory:
            voice.release_embedder()  # the pitch comes first
        noise, rate = PositionalNoise(p.seed), matching.index_rate(voice.file, p.index_rate)
        pipeline = Pipeline(voice, noise, p.sid, rate, p.protect)
        control = pitch_control(voice, p)
        length = -(-recording.frames * voice.rate // recording.rate)
        sounds, masks = [], []
        for number, (wave, levels) in enumerate(
            zip(recording.waves, recording.levels, strict=True)
        ):
            loud = sounding(levels, p.gate_db)
            pieces = plan(levels, len(wave), loud=loud, isolated=p.split_audio)
            f0_hz = _pitch(pipeline, wave, pieces, p, report, given_f0)
            if export_f0 is not None and number == 0:
                export_f0(f0_hz[: -(-len(wave) // FRAME)])
            f0_hz = control(f0_hz, contour.median_hz(f0_hz))
            line = Timeline(recording.spool(), length)
            sounds.append(_sound(pipeline, wave, pieces, f0_hz, line, report))
            masks.append(loud)
        if save_memory:
            voice.release_embedder()
        return finish(recording, sounds, masks, voice.rate, p, report)
    except BaseException:
        recording.close()
        raise


def _formants(p: Conversion) -> Callable[[np.ndarray], np.ndarray] | None:
    if not p.formant_shifting:
        return None
    from rvc.audio.effects import formant_shift

    return lambda wave: formant_shift(wave, RATE, p.formant_qfrency, p.formant_timbre)


def pitch_control(voice: Voice, p: Applied) -> PitchControl:
    """What the options do to the pitch.

    Raises:
        Mismatch: the voice's own median is asked for, and its file does not record it.
    """
    target_hz = None
    if p.proposed_pitch or p.proposed_pitch_auto:
        target_hz = voice.median_f0_hz if p.proposed_pitch_auto else p.proposed_pitch_threshold
        if target_hz is None:
            raise Mismatch(
                f"{voice.path} does not record the median pitch of its speaker.",
                "Give it with --proposed-pitch-threshold instead of --proposed-pitch-auto.",
            )
    return PitchControl(p.pitch, p.f0_autotune_strength if p.f0_autotune else 0.0, target_hz)


def _pitch(
    pipeline: Pipeline,
    wave: Spool,
    pieces: list[Piece],
    p: Conversion,
    report: Report,
    given_f0: GivenPitch | None,
) -> np.ndarray:
    """Pitch of the whole signal in Hz, one value per 10 ms; 0 where nothing is converted."""
    f0_hz = np.zeros(-(-len(wave) // GRID) * 2, np.float32)
    if not pipeline.voice.use_f0:
        return f0_hz
    if given_f0 is not None:
        return contour.fit(given_f0(len(f0_hz)), len(f0_hz))
    voice, extract = pipeline.voice, pipeline.voice.extractor(p.f0_method)

    def estimate(group: Sequence[Piece]) -> list[np.ndarray]:
        return pipeline.pitch([samples_of(wave, piece) for piece in group], extract)

    heard = voice.capacity.groups("pitch extractor", estimate, pieces, voice.together)
    for number, (piece, found) in enumerate(heard):
        report(number, len(pieces), "Pitch")
        a, b = (piece.start - piece.first) // FRAME, (piece.stop - piece.first) // FRAME
        f0_hz[piece.start // FRAME : piece.stop // FRAME] = found[a:b]
        memory.release_freed()
    report(len(pieces), len(pieces), "Pitch")
    return f0_hz


def _sound(
    pipeline: Pipeline,
    wave: Spool,
    pieces: list[Piece],
    f0_hz: np.ndarray,
    line: Timeline,
    report: Report,
) -> Spool:
    """The voice's sound for the whole signal, silent between pieces."""
    voice, hop, phase, done = pipeline.voice, pipeline.voice.hop, Phase(), 0.0
    total = sum(piece.stop - piece.start for piece in pieces) / RATE

    def embed(group: Sequence[Piece]) -> list[Tensor]:
        return pipeline.features([samples_of(wave, piece, EMBEDDER_EXTRA) for piece in group])

    def lay(parts: Iterable[tuple[int, Sound, np.ndarray]]) -> None:
        for at, part, gain in parts:
            line.add(at, np.asarray(part) * gain)

    sent: list[tuple[int, Sound, np.ndarray]] = []  # what a GPU may still be at work on
    heard = voice.capacity.groups("embedder", embed, pieces, voice.together)
    for piece, features in crossfaded(heard):
        begin, end = piece.start // FRAME, piece.stop // FRAME
        gain = fades(piece.start > 0, piece.stop < len(wave), end - begin, hop)
        phase = phase.advanced(f0_hz, begin, voice.glides)
        keep = begin - 1, end + 1  # a frame more on both sides to fade over
        window = Window(features, pitch_of(f0_hz, piece), piece.first // FRAME, keep, phase)
        used = 0
        for part in pipeline.rendered(window):
            lay(sent)
            sent = [((begin - 1) * hop + used, part, gain[used : used + len(part)])]
            used += len(part)
            report(done + max(0, used / hop / 100), total, "Voice")
        done += (piece.stop - piece.start) / RATE
        memory.release_freed()
    lay(sent)
    return line.finish()


def samples_of(wave: Spool, piece: Piece, extra: int = 0) -> np.ndarray:
    """Samples [first, last + extra) of a piece, mirrored where it may not or cannot look."""
    first, last = piece.first, piece.last + extra
    if first >= piece.low and last <= piece.high:
        return wave.read(first, last)
    index = mirrored(first, last, piece.low, piece.high)
    begin = int(index.min())
    return np.asarray(wave.read(begin, int(index.max()) + 1)[index - begin])


def pitch_of(f0_hz: np.ndarray, piece: Piece) -> np.ndarray:
    """Pitch (T,) of [first, last), mirrored like the sound."""
    low, high = piece.low // FRAME, max(piece.low // FRAME + 1, -(-piece.high // FRAME))
    index = mirrored(piece.first // FRAME, piece.last // FRAME, low, high)
    return np.asarray(f0_hz[np.minimum(index, len(f0_hz) - 1)])


def crossfaded(embedded: Iterable[Heard]) -> Iterator[Heard]:
    """Every piece with its features (T, W); neighbours get the same ones around their seam.

    Two pieces say different things of one moment: it glides from one to the other, without a step.
    """
    before: Heard | None = None
    for piece, seen in embedded:
        features = seen.clone()
        if before is not None:
            if before[0].stop == piece.start:
                _crossfade(before[1], features, (piece.first - before[0].first) // GRID)
            yield before
        before = piece, features
    if before is not None:
        yield before


def _crossfade(left: Tensor, right: Tensor, begin: int) -> None:
    """Mix, in place, the rows of `left` from `begin` on with the first ones of `right`."""
    count = min(len(left) - begin, len(right))
    share = (0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)).astype(np.float32)
    own = left[begin : begin + count]
    mixed = own + torch.from_numpy(share)[:, None].to(own.device) * (right[:count] - own)
    left[begin : begin + count] = right[:count] = mixed
