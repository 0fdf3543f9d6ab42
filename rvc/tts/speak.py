"""The verb `tts`: text to speech by one of three engines, then to the chosen voice."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, files, params, silent, texts
from rvc.audio import io
from rvc.config import paths
from rvc.errors import BadInput
from rvc.plugins import attribute
from rvc.tts import ENGINES, piper

LOG = logging.getLogger(__name__)
LONGEST_TEXT_BYTES = 4 << 20
EDGE_VOICE = re.compile(r"^[a-z]{2,3}-[A-Za-z-]+Neural$", re.IGNORECASE)


def run(p: params.Tts, report: Report = silent) -> dict[str, Any]:
    """Speak and convert; what is converted is always the speech made now, by this call.

    Others may write the same `output_tts_path` meanwhile: what is converted is a copy of its own.

    Raises:
        BadInput: no text or no such voice. MissingModel, DownloadFailed: the engine cannot work.
    """
    text = _text(p)
    speech = p.output_tts_path or paths().audios / "tts.wav"
    result = p.output_rvc_path or paths().audios / "tts_output.wav"
    if speech.resolve() == result.resolve():
        raise BadInput(f"Speech and result are the same file, {speech}.", "Give two names.")
    engine = engine_of(p)
    report(0, 1, f"Speaking ({engine})")
    wave, rate = speak(text, engine, p.tts_voice, p.tts_rate, report)
    report(1, 1, f"Speaking ({engine})")
    for file in (speech, result):
        file.parent.mkdir(parents=True, exist_ok=True)
    speech = speech.with_suffix(".wav") if not speech.suffix else speech
    shared = {k: v for k, v in p if k in params.Infer.model_fields}
    scratch = paths().cache
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tts-", dir=scratch) as own:
        spoken = Path(own) / speech.name
        io.save(spoken, wave, rate)
        with files.replacing(speech) as part:
            shutil.copyfile(spoken, part)
        from rvc.infer import infer  # the page reads texts here, and loads no torch for it

        done = infer.infer(params.Infer(**shared, input_path=spoken, output_path=result), report)
    return done | {
        "message": f"Spoke {len(wave) / rate:.1f} s with {engine}. {done['message']}",
        "speech_path": str(speech),
        "engine": engine,
    }


def speak(
    text: str, engine: str, voice: str, percent: int = 0, report: Report = silent
) -> tuple[np.ndarray, int]:
    """Speech (T,) float32 of a text and its rate in Hz, by the engine of this name."""
    with ENGINES.blamed(engine):
        wave, rate = attribute(ENGINES[engine])(text, voice, percent, report)
    return np.asarray(wave, np.float32), int(rate)


def engine_of(p: params.Tts) -> str:
    """The engine asked for, or the one whose voices are called like this."""
    if p.tts_engine != "auto":
        return p.tts_engine
    if EDGE_VOICE.match(p.tts_voice):
        return "edge"
    local = p.tts_voice.endswith(".onnx") or piper.NAME.match(p.tts_voice)
    return "piper" if local else "espeak"


def _text(p: params.Tts) -> str:
    text = p.tts_text or ""
    if p.tts_file is not None:
        text = read_text(p.tts_file)
    if not text.strip():
        raise BadInput("There is no text to speak.", "Give --tts-text or --tts-file.")
    return text.strip()


def read_text(file: Path) -> str:
    """The text of a file, see `texts.decode`; a guessed encoding is told.

    Raises:
        BadInput: no such file, or too long.
    """
    if not file.is_file():
        raise BadInput(f"{file} does not exist.", "Check --tts-file.")
    if file.stat().st_size > LONGEST_TEXT_BYTES:
        raise BadInput(f"{file} is too long to speak.", "Split it.")
    text, guessed = texts.decode(file.read_bytes())
    if guessed:
        LOG.warning("%s does not say how it is encoded; it was read as %s.", file.name, guessed)
    return text
