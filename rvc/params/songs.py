"""Parameters of songs: separating them, and covers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rvc.params.base import Hardware, OptionalPath, option


class Separate(Hardware):
    """Take a song apart: the voice, and all else."""

    input_path: Path = option(help="Song, or folder of songs.")
    output_folder: OptionalPath = option(
        None, "Folder for the stems; assets/audios if not given.", "Output"
    )
    model: Literal["kit"] = option("kit", "Networks; those of the kit need no download.")
    stems: Literal["both", "vocals", "accompaniment"] = option("both", "Which stems to write.")
    export_format: Literal["FLAC", "WAV", "MP3", "OGG", "M4A"] = option(
        "FLAC", "Format; in FLAC (24 bits) and WAV (float) the stems add up to the song.", "Output"
    )
    overwrite: bool = option(False, "Separate again what is already there.")
