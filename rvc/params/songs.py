"""Parameters of songs: separating them, and covers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rvc.params.base import Hardware, OptionalPath, Tracks, option
from rvc.params.convert import BITRATE_HELP, Conversion

StemModelName = Literal["kit", "mdx-voc-ft", "bs-roformer-317", "bs-roformer-368"]
FORMATS = Literal["FLAC", "WAV", "MP3", "OGG", "M4A"]
SEPARATION = "Separation"


class SeparationOptions(Hardware, Tracks):
    """With which networks a song is taken apart, and how far."""

    model: StemModelName = option(
        "kit",
        "Networks that separate: the kit's, or larger ones to download: MDX-Net (67 MB), or "
        "RoFormers (320 MB) for GPUs.",
        SEPARATION,
    )
    model_file: OptionalPath = option(
        None,
        "A model of your own: a RoFormer's checkpoint or an MDX-Net (.onnx), its .yaml beside it.",
        SEPARATION,
        reads=True,
    )
    lead: bool = option(
        False, "Tell the lead voice from the backing voices (53 MB to download).", SEPARATION
    )
    lead_file: OptionalPath = option(
        None, "A model of your own that tells them apart.", SEPARATION, reads=True
    )
    dereverb: bool = option(
        False, "Take the room out of the voice (457 MB to download, for GPUs).", SEPARATION
    )
    dereverb_file: OptionalPath = option(
        None, "A model of your own that takes the room out.", SEPARATION, reads=True
    )


class Separate(SeparationOptions):
    """Take a song apart: the voice, and all else."""

    input_path: Path = option(help="Song, or folder of songs.", reads=True)
    output_folder: OptionalPath = option(
        None, "Folder for the stems; assets/audios if not given.", "Output", writes=True
    )
    stems: Literal["both", "vocals", "accompaniment"] = option("both", "Which stems to write.")
    export_format: FORMATS = option(
        "FLAC", "Format; in FLAC (24 bits) and WAV (float) the stems add up to the song.", "Output"
    )
    bitrate: int | None = option(None, BITRATE_HELP, "Output", ge=8, le=510)
    overwrite: bool = option(False, "Separate again what is already there.")


class Cover(Conversion, SeparationOptions):
    """Sing a song in another voice: separate it, convert its voice, put both together again."""

    input_path: Path = option(help="Song, or folder of songs.", reads=True)
    output_folder: OptionalPath = option(
        None, "Folder for the cover; assets/audios if not given.", "Output", writes=True
    )
    pth_path: Path = option(help="Voice file (.pth).", reads=True)
    index_path: OptionalPath = option(None, "The voice's index (.index).", reads=True)
    key: int = option(
        0, "Semitones for voice and accompaniment; --pitch moves the voice alone.", ge=-12, le=12
    )
    voice_gain: float = option(0.0, "Gain of the converted voice in dB.", "Mix", ge=-60, le=24)
    accompaniment_gain: float = option(
        0.0, "Gain of the accompaniment in dB.", "Mix", ge=-60, le=24
    )
    backing: Literal["keep", "convert", "drop"] = option(
        "keep", "What becomes of the backing voices (with --lead).", "Mix"
    )
    backing_gain: float = option(0.0, "Gain of the backing voices in dB.", "Mix", ge=-60, le=24)
    match_vocals: bool = option(
        True, "Bring the converted voice to the loudness of the voice in the song.", "Mix"
    )
    ceiling: float = option(-1.0, "Highest true peak of the mix in dB.", "Mix", ge=-12, le=0)
    quiet_below: float = option(
        -40.0,
        "Where the voice is so many dB below its loud parts for 0.3 s, it stays as it was.",
        "Mix",
        ge=-80,
        le=0,
    )
    vocals_path: OptionalPath = option(
        None, "The song's voice, where you have it: nothing is separated.", SEPARATION, reads=True
    )
    accompaniment_path: OptionalPath = option(
        None, "The song's accompaniment, where you have it.", SEPARATION, reads=True
    )
    acapella_path: OptionalPath = option(
        None,
        "The converted voice of an earlier cover: nothing is converted, only mixed.",
        SEPARATION,
        reads=True,
    )
    acapella: bool = option(False, "Write the converted voice alone, too.", "Output")
    keep_stems: bool = option(True, "Write the song's own stems, too.", "Output")
    overwrite: bool = option(False, "Make again what is already there.")
