"""Piper voices: neural speech on this machine, run by onnxruntime; phonemes come from espeak-ng."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, silent
from rvc.config import paths
from rvc.errors import BadInput
from rvc.hub import fetch
from rvc.hub.catalog import Asset
from rvc.onnx import inspection, runtime
from rvc.tts import espeak, sentences

NAME = re.compile(r"^([a-z]{2,3})_([A-Z]{2})-([\w]+)-(x_low|low|medium|high)$")
REPOSITORY = "rhasspy/piper-voices"
LONGEST_BYTES = 600  # of what is spoken at once; memory grows with its square
FLAGS = re.compile(r"\([a-z-]+\)")  # espeak-ng's notes that the language changes
PAUSE_S = 0.15
START, END, PAD = "^", "$", "_"


def find(voice: str, report: Report = silent) -> Path:
    """The .onnx file of a voice: a path, or a name that is fetched once.

    Raises:
        BadInput: neither. MissingModel: offline and absent. DownloadFailed: not to be had.
    """
    path = Path(voice).expanduser()
    if path.suffix == ".onnx":
        return path
    named = NAME.match(voice)
    if not named:
        raise BadInput(
            f"{voice!r} is no piper voice.",
            "Names look like en_GB-alan-medium; or give the path of an .onnx file.",
        )
    language, region, speaker, quality = named.groups()
    place = f"{language}/{language}_{region}/{speaker}/{quality}/{voice}.onnx"
    return fetch.ensure(
        [
            Asset(f"piper/{voice}.onnx{end}", REPOSITORY, place + end)
            for end in (".json", "")  # the small one first: a wrong name fails at once
        ],
        report,
    )[1]


def installed() -> list[str]:
    """Names of the voices that are there already."""
    return sorted(p.stem for p in (paths().models / "piper").glob("*.onnx"))


def speak(
    text: str, voice: str, percent: int = 0, report: Report = silent
) -> tuple[np.ndarray, int]:
    """Speech of a text, sentence by sentence.

    Returns:
        (float32 (T,), rate in Hz).

    Raises:
        BadInput: the voice's files are missing, damaged or of another kind; nothing to say.
    """
    path = find(voice, report)
    config = _config(path)
    inspection.refuse_reaching(path)
    try:
        session = runtime.session(path)
        rate = int(config["audio"]["sample_rate"])
        gap = np.zeros(int(PAUSE_S * rate), np.float32)
        parts: list[np.ndarray] = []
        spoken = [p for s in sentences.split(text) for p in sentences.pieces(s, LONGEST_BYTES)]
        for number, sentence in enumerate(spoken):
            report(number, len(spoken), "Speaking")
            ids = _ids(sentence.strip(), config)
            if len(ids) > 3:
                parts += [_sound(session, ids, config, percent), gap]
    except runtime.errors(RuntimeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} cannot be used as a piper voice: {error}.") from error
    if not parts:
        raise BadInput("There is nothing in the text to speak.", "Give words.")
    return np.concatenate(parts), rate


def _config(path: Path) -> dict[str, Any]:
    file = Path(f"{path}.json")
    for needed in (path, file):
        if not needed.is_file():
            raise BadInput(f"{needed} does not exist.", "A piper voice is an .onnx and its .json.")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{file} is damaged.", "Fetch the voice again.") from error
    return found if isinstance(found, dict) else {}


def _ids(sentence: str, config: dict[str, Any]) -> list[int]:
    """Phoneme numbers with padding between them; unknown phonemes are left out."""
    table: dict[str, list[int]] = config["phoneme_id_map"]
    mark = sentence[-1:] if sentence[-1:] in table and not sentence[-1:].isalnum() else ""
    said = sentence
    if config.get("phoneme_type", "espeak") == "espeak":
        said = FLAGS.sub("", espeak.phonemes(sentence, config["espeak"]["voice"])) + mark
    out = [*table[START], *table[PAD]]
    for letter in unicodedata.normalize("NFD", said):
        if letter in table:
            out += [*table[letter], *table[PAD]]
    return [*out, *table[END]]


def _sound(session: Any, ids: list[int], config: dict[str, Any], percent: int) -> np.ndarray:
    said = config.get("inference", {})
    length = float(said.get("length_scale", 1.0)) / max(0.2, 1 + percent / 100)
    scales = [float(said.get("noise_scale", 0.667)), length, float(said.get("noise_w", 0.8))]
    inputs: dict[str, np.ndarray] = {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": np.array(scales, np.float32),
    }
    if int(config.get("num_speakers", 1)) > 1:
        inputs["sid"] = np.array([0], np.int64)
    wave: np.ndarray = session.run(None, inputs)[0].reshape(-1).astype(np.float32)
    return wave / max(1.0, float(np.abs(wave).max(initial=0.0)))
