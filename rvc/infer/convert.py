"""Conversion: a recording of any length, piece by piece, into a voice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from rvc import memory
from rvc.audio.io import Block
from rvc.audio.spool import Spool, Timeline
from rvc.errors import BadInput, Mismatch
from rvc.f0 import contour
from rvc.infer import excitation, features, segment
from rvc.infer.blocks import Blocks, fades
from rvc.infer.noise import LatentNoise, Noise, SourceNoise
from rvc.infer.postprocess import Finished, finish
from rvc.infer.recording import Recording
from rvc.infer.segment import FRAME, GRID, RATE, Piece
from rvc.infer.voice import Voice
from rvc.params import Conversion
from rvc.progress import Report, silent

ISOLATED_DB = -60.0  # split_audio: silence lies this far below the loudest moment


def convert(
    wave: np.ndarray, rate: int, voice: Voice, p: Conversion, report: Report = silent
) -> tuple[np.ndarray, int]:
    """Convert an array (T,) or (T, C) -> (float32 (T',) or (T', C), rate in Hz).

    Raises:
        BadInput: no samples, or values that are not numbers.
    """
    wave = np.asarray(wave, np.float32)
    if not np.isfinite(wave).all():
        raise BadInput("The sound holds values that are not numbers.", "Record it again.")
    parts: list[np.ndarray] = []
    with stream([Block(wave, 0, rate)], voice, p, report) as done:
        for block in done.blocks():
            parts.append(block)
        out = np.concatenate(parts)
        return (out[:, 0] if wave.ndim == 1 or out.shape[1] == 1 else out), done.rate


def stream(
    blocks: Iterable[Block],
    voice: Voice,
    p: Conversion,
    report: Report = silent,
    folder: Path | None = None,
    given_f0: Callable[[int], np.ndarray] | None = None,
    hear_f0: Callable[[np.ndarray], None] | None = None,
) -> Finished:
    """Convert a stream of blocks in constant memory.

    Args:
        folder: where long signals are kept meanwhile.
        given_f0: (frames) -> pitch of the recording to use instead of estimating it.
        hear_f0: told the pitch of the (first) sound before it is changed.

    Returns:
        The result, to be read once more as a stream and closed.
    """
    recording = Recording(p.stereo, voice.rate, folder)
    try:
        recording.read(blocks, lambda s: report(s, s, "Reading"))
        recording.prepare(_formants(p))
        voice.rest()  # the pitch comes first
        worker = Converter(voice, p, Noise(p.seed), report)
        length = -(-recording.frames * voice.rate // recording.rate)
        sounds, masks = [], []
        for number, (wave, levels) in enumerate(
            zip(recording.waves, recording.levels, strict=True)
        ):
            threshold = segment.silence_threshold(levels)
            pieces = worker.pieces(levels, len(wave), threshold)
            f0_hz = worker.pitch(wave, pieces, given_f0)
            if hear_f0 is not None and number == 0:
                hear_f0(f0_hz[: -(-len(wave) // FRAME)])
            f0_hz = worker.tuned(f0_hz)
            sounds.append(worker.sound(wave, pieces, f0_hz, recording.spool(), length))
            masks.append(levels > threshold)
        voice.rest()
        return finish(recording, sounds, masks, voice.rate, p, report)
    except BaseException:
        recording.close()
        raise


def _formants(p: Conversion) -> Callable[[np.ndarray], np.ndarray] | None:
    if not p.formant_shifting:
        return None
    from rvc.audio.effects import formant_shift

    return lambda wave: formant_shift(wave, RATE, p.formant_qfrency, p.formant_timbre)


class Converter:
    """The work on one 16 kHz signal, with the options of one conversion."""

    def __init__(self, voice: Voice, p: Conversion, noise: Noise, report: Report) -> None:
        self.voice, self.p, self.noise, self.report = voice, p, noise, report
        decoder = voice.decoder
        self.blocks = Blocks(decoder.block, decoder.context, decoder.workers)
        self.device = voice.device.device
        sid = torch.tensor([voice.speaker(p.sid)], device=self.device)
        with torch.inference_mode():
            self.g = voice.net.speaker(sid)

    def pieces(self, levels_db: np.ndarray, samples: int, threshold_db: float) -> list[Piece]:
        """What of the signal is converted, and in which pieces."""
        if self.p.split_audio and len(levels_db):
            threshold_db = max(threshold_db, float(levels_db.max()) + ISOLATED_DB)
        return segment.plan(
            levels_db, samples, threshold_db=threshold_db, isolated=self.p.split_audio
        )

    def pitch(
        self,
        wave: Spool,
        pieces: list[Piece],
        given: Callable[[int], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Pitch of the whole signal in Hz, one value per 10 ms; 0 where nothing is converted."""
        f0_hz = np.zeros(-(-len(wave) // GRID) * 2, np.float32)
        if not self.voice.use_f0:
            return f0_hz
        if given is not None:
            return contour.fit(given(len(f0_hz)), len(f0_hz))
        extract = self.voice.extractor(self.p.f0_method)
        for number, piece in enumerate(pieces):
            self.report(number, len(pieces), "Pitch")
            found = extract(_heard(wave, piece))
            a, b = (piece.start - piece.first) // FRAME, (piece.stop - piece.first) // FRAME
            f0_hz[piece.start // FRAME : piece.stop // FRAME] = found[a:b]
            memory.release_freed()
        self.report(len(pieces), len(pieces), "Pitch")
        return f0_hz

    def tuned(self, f0_hz: np.ndarray) -> np.ndarray:
        """The pitch that is asked for: transposed, then drawn to notes."""
        p = self.p
        semitones = float(p.pitch)
        if p.proposed_pitch:
            semitones += contour.proposed_shift(f0_hz, self._target_hz())
        f0_hz = contour.shift(f0_hz, semitones)
        return contour.autotune(f0_hz, p.f0_autotune_strength) if p.f0_autotune else f0_hz

    def _target_hz(self) -> float:
        if not self.p.proposed_pitch_auto:
            return self.p.proposed_pitch_threshold
        if self.voice.median_f0_hz is None:
            raise Mismatch(
                f"{self.voice.path} does not record the median pitch of its speaker.",
                "Give it with --proposed-pitch-threshold instead of --proposed-pitch-auto.",
            )
        return self.voice.median_f0_hz

    def sound(
        self, wave: Spool, pieces: list[Piece], f0_hz: np.ndarray, into: Spool, length: int
    ) -> Spool:
        """The voice's sound for the whole signal: `length` samples, silent between pieces."""
        voice, line, hop = self.voice, Timeline(into, length), self.voice.hop
        phase, since = 0.0, 0
        total = sum(p.stop - p.start for p in pieces) / RATE
        done = 0.0
        heard = features.agreed(pieces, lambda p: voice.embedder(_heard(wave, p, GRID // 4)))
        for piece, found in heard:
            begin = piece.start // FRAME
            gain = fades(
                piece.start > 0, piece.stop < len(wave), (piece.stop - piece.start) // FRAME, hop
            )
            phase, since = excitation.advance(phase, f0_hz, since, begin, voice.glides), begin
            used = 0
            for part in self._piece(piece, found, f0_hz, phase):
                line.add((begin - 1) * hop + used, part * gain[used : used + len(part)])
                used += len(part)
                self.report(done + max(0, used / hop / 100), total, "Voice")
            done += (piece.stop - piece.start) / RATE
            memory.release_freed()
        return line.finish()

    @torch.inference_mode()
    def _piece(
        self, piece: Piece, found: np.ndarray, f0_hz: np.ndarray, phase: float
    ) -> Iterator[np.ndarray]:
        """Sound of the piece with one frame more on both sides, in blocks.

        Args:
            phase: of the source in turns where the piece starts.
        """
        voice, frames, first = self.voice, piece.frames, piece.first // FRAME
        hz = _around(f0_hz, piece)
        protect = self.p.protect if voice.use_f0 else features.UNPROTECTED
        phone = features.content(found, hz, voice.index, self.p.index_rate, protect)
        z, _ = voice.net.latent(
            torch.from_numpy(np.ascontiguousarray(phone))[None].to(self.device),
            torch.from_numpy(contour.coarse(hz))[None].to(self.device),
            torch.tensor([frames], device=self.device),
            self.g,
            LatentNoise(self.noise, first),
        )
        core = (piece.start - piece.first) // FRAME
        source = self._source(hz, core, phase, first)

        def decode(a: int, b: int, keep: tuple[int, int]) -> np.ndarray:
            part = None if source is None else source[:, :, a * voice.hop : b * voice.hop]
            return voice.decoder(z[:, :, a:b], part, self.g, self.noise, first + a, keep)

        last = core + (piece.stop - piece.start) // FRAME
        yield from self.blocks.run(decode, core - 1, last + 1, 0, frames)

    def _source(self, hz: np.ndarray, core: int, phase: float, first: int) -> torch.Tensor | None:
        """Excitation (1, 1, T * hop) of a piece, in phase with the pieces before it."""
        voice = self.voice
        if not voice.use_f0:
            return None
        lead = excitation.lead_in(hz, core, phase, voice.glides)
        led = np.concatenate([[lead], hz]).astype(np.float32)
        noise = SourceNoise(self.noise, (first - 1) * voice.hop)
        made = voice.net.dec.source(torch.from_numpy(led)[None].to(self.device), noise)
        return made[:, :, voice.hop :]


def _heard(wave: Spool, piece: Piece, more: int = 0) -> np.ndarray:
    """Samples [first, last + more) of a piece, mirrored where it may not or cannot look."""
    first, last = piece.first, piece.last + more
    if first >= piece.low and last <= piece.high:
        return wave.read(first, last)
    index = segment.mirrored(first, last, piece.low, piece.high)
    begin = int(index.min())
    return wave.read(begin, int(index.max()) + 1)[index - begin]


def _around(f0_hz: np.ndarray, piece: Piece) -> np.ndarray:
    """Pitch (T,) of [first, last), mirrored like the sound."""
    low, high = piece.low // FRAME, max(piece.low // FRAME + 1, -(-piece.high // FRAME))
    index = segment.mirrored(piece.first // FRAME, piece.last // FRAME, low, high)
    return f0_hz[np.minimum(index, len(f0_hz) - 1)]
