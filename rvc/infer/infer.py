"""The verb infer: one file or stream in, one out."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report
from rvc.audio import Account, Loss, encode, io
from rvc.audio.stream import scratch
from rvc.errors import BadInput
from rvc.infer import WHOLE, Span, voice
from rvc.infer.convert import ExportPitch, GivenPitch, stream
from rvc.params import Conversion, Infer

LOG = logging.getLogger(__name__)
PIPE = Path("-")
TOLD = 3  # losses and notes in the message; all of them are in the result


def infer(p: Infer, report: Report) -> dict[str, Any]:
    """Convert one recording; `-` stands for standard input and output.

    Raises:
        VoiceError: see the classes in rvc.errors.
    """
    if p.output_path == PIPE:
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            target = Path(folder) / f"result.{p.export_format.lower()}"
            result = _convert_from(p, target, report)
            with target.open("rb") as made:
                shutil.copyfileobj(made, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return result | {"output_path": "-", "message": _sentence(result, "standard output")}
    target, format = destination(p.output_path, p.export_format)
    if format != p.export_format:
        p = p.model_copy(update={"export_format": format})
    if p.preview_s is not None:
        target = target.with_stem(f"{target.stem} (preview)")
    _refuse_same(p.input_path, target)
    return _convert_from(p, target, report)


def destination(path: Path, format: str) -> tuple[Path, str]:
    """Where the result goes, and its format: a suffix other than .wav wins over the default WAV.

    Raises:
        BadInput: the path is a folder.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder.", "Give the name of a file for the result.")
    named = path.suffix.lstrip(".").upper()
    named = encode.ALIASES.get(named, named)
    known = named in encode.FORMATS
    if named == format or (known and format == "WAV"):
        return path, named
    return Path(f"{path.with_suffix('') if known else path}.{format.lower()}"), format


def _refuse_same(source: Path, target: Path) -> None:
    if source != PIPE and target.exists() and source.exists() and target.samefile(source):
        raise BadInput(
            f"{target} is the recording itself, which would be lost.", "Choose another output."
        )


def _convert_from(p: Infer, target: Path, report: Report) -> dict[str, Any]:
    with _source(p.input_path) as source:
        span = _span(source, p)
        given_f0, export_f0 = _pitch_files(p, source, span[0])
        loaded = voice.load(p.pth_path, p.index_path, p, report)
        result = convert(source, target, loaded, p, report, given_f0, export_f0, span, p.track)
        start_s = span[0] / io.info(source, p.track).rate
        return result if p.preview_s is None else result | {"start_s": round(start_s, 3)}


def _span(source: Path, p: Infer) -> Span:
    """What of a recording is converted: all, or the loudest seconds of it."""
    if p.preview_s is None:
        return WHOLE
    from rvc.infer import preview

    return preview.loudest(source, p.preview_s, p.track)


def _pitch_files(
    p: Infer, source: Path, first: int
) -> tuple[GivenPitch | None, ExportPitch | None]:
    """Readers and writers of the pitch curves that were asked for; a bad curve is told at once.

    Args:
        first: frame of the recording at which the conversion begins.

    Raises:
        BadInput: a bad curve, or a curve of a preview, whose times would not be the recording's.
    """
    given_f0 = export_f0 = None
    if p.f0_export is not None and p.preview_s is not None:
        raise BadInput(
            "The pitch of a preview is not that of the recording.",
            "Leave out --preview-s or --f0-export.",
        )
    if p.f0_file is not None or p.f0_export is not None:
        from rvc.f0 import curve_file

        if p.f0_file is not None:
            curve_file.read(p.f0_file, 1)
            rate = io.info(source, p.track).rate if first else 1
            skipped = round(first / rate * curve_file.FRAME_RATE)
            given_f0 = partial(_curve_from, p.f0_file, skipped)
        if p.f0_export is not None:
            export_f0 = partial(curve_file.write, p.f0_export)
    return given_f0, export_f0


def _curve_from(path: Path, skipped: int, frames: int) -> np.ndarray:
    """A pitch curve (frames,) in Hz without its first `skipped` values."""
    from rvc.f0 import curve_file

    return curve_file.read(path, skipped + frames)[skipped:]


@contextmanager
def _source(path: Path) -> Iterator[Path]:
    """The path itself, or a temporary copy of standard input."""
    if path != PIPE:
        yield path
        return
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        copy = Path(folder) / "standard input"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield copy


def convert(
    source: Path,
    target: Path,
    loaded: voice.Voice,
    p: Conversion,
    report: Report,
    given_f0: GivenPitch | None = None,
    export_f0: ExportPitch | None = None,
    span: Span = WHOLE,
    track: int | None = None,
) -> dict[str, Any]:
    """Convert one file, or some of its frames; the target appears only when it is complete."""
    began = time.perf_counter()
    account = Account()
    format = encode.format_of(target, p.export_format)
    if p.stereo != "mono":
        encode.check(target, format, io.info(source, track).channels)  # before hours of work
    target.parent.mkdir(parents=True, exist_ok=True)
    blocks = io.blocks(
        source, False, 4.0, start=span[0], stop=span[1], account=account, track=track
    )
    done = stream(
        blocks, loaded, p, report, given_f0=given_f0, export_f0=export_f0, account=account
    )
    with done:
        bits = min(p.bit_depth, 24) if format == "FLAC" else p.bit_depth
        with encode.Writer(
            target, done.rate, done.channels, format, bits, p.bitrate, done.frames
        ) as file:
            for block in done.blocks():
                file.write(block)
                report(file.frames, done.frames, "Writing")
        result = {
            "output_path": str(target),
            "seconds": round(done.seconds, 3),
            "rate": done.rate,
            "channels": done.channels,
            "frames": done.frames,
            "took_s": round(time.perf_counter() - began, 3),
            "losses": account.json(),
            "notes": account.remarks(),
        }
    for text in account.sentences():
        LOG.warning("%s: %s", source, text)
    return result | {"message": _sentence(result, str(target))}


def _sentence(result: dict[str, Any], where: str) -> str:
    text = f"Converted {result['seconds']:.1f} s in {result['took_s']:.1f} s: {where}."
    told = [str(Loss(**loss)) for loss in result["losses"]] + result["notes"]
    more = f"; and {len(told) - TOLD} more" if len(told) > TOLD else ""
    notes = "; ".join(note.rstrip(".") for note in told[:TOLD])
    return f"{text} Note: {notes}{more}." if told else text
