"""Parameters of judging a voice."""

from __future__ import annotations

from pathlib import Path

from rvc.params.base import OptionalPath, OptionalText, option
from rvc.params.convert import Conversion


class Evaluate(Conversion):
    """Judge a voice by converting recordings it never saw (needs requirements-eval.txt)."""

    input_folder: Path = option(
        help="Recordings to convert; a row per sub-folder; words are read from .txt files beside.",
        reads=True,
    )
    target_folder: Path = option(help="The target speaker's own recordings.", reads=True)
    pth_path: Path = option(help="Voice file (.pth).", reads=True)
    index_path: OptionalPath = option(None, "The voice's index (.index).", reads=True)
    output_folder: OptionalPath = option(None, "Keep the converted recordings here.", writes=True)
    conditions: OptionalText = option(
        None,
        "Judge also what became of the recordings, such as telephone,room,noise5,music5,clipped,"
        "whispered,child,bass; a number is dB below the speech.",
    )
    table: OptionalPath = option(None, "Write the table here (Markdown).", writes=True)
    asr_folder: OptionalPath = option(
        None,
        "CTranslate2 Whisper model to hear words with; tiny.en by default.",
        "Advanced",
        reads=True,
    )
    asr_language: str = option(
        "auto",
        "Language of the recordings, such as es; auto goes by what each is heard to be in.",
        "Advanced",
    )
