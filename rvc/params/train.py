"""Parameters of what makes a voice: recordings, their report, training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rvc.f0 import Method
from rvc.nets import VocoderName
from rvc.params.base import (
    ALL_CORES,
    Embedding,
    Gating,
    Hardware,
    OptionalPath,
    Params,
    SampleRate,
    Tracks,
    argument,
    option,
)


class Speakers(Params):
    """Whose voices a folder holds."""

    speakers: Literal["folders", "one"] = option(
        "folders",
        "Whose voice the sub-folders hold: a speaker's each, or all one's (chapters, albums).",
        "Advanced",
    )


class Preprocess(Gating, Speakers, Tracks):
    """Cut recordings into training slices."""

    model_name: str = option(help="Name of the voice in the making.")
    dataset_path: Path = option(
        help="Folder with recordings; one sub-folder per speaker if several.", reads=True
    )
    sample_rate: SampleRate = option(help="Sample rate of the voice in Hz.")
    cpu_cores: int = option(
        ALL_CORES, "Processes to use; all cores by default.", "Advanced", ge=1, le=64
    )
    cut_preprocess: Literal["Skip", "Simple", "Automatic"] = option(
        "Automatic",
        "How recordings are cut: not at all, at fixed lengths, or at silences.",
        "Advanced",
    )
    separate: bool = option(
        False, "Take music out of the recordings, by the networks of songs.", "Advanced"
    )
    process_effects: bool = option(False, "Remove rumble below 48 Hz.", "Advanced")
    noise_reduction: bool = option(False, "Reduce noise.", "Advanced")
    noise_reduction_strength: float = option(
        0.7, "How much noise reduction.", "Advanced", ge=0, le=1
    )
    chunk_len: float = option(
        3.0, "Length of a piece in seconds (Simple cut).", "Advanced", ge=0.5, le=5
    )
    overlap_len: float = option(
        0.3, "Overlap of pieces in seconds (Simple cut).", "Advanced", ge=0, le=0.4
    )
    normalization_mode: Literal["none", "pre", "post"] = option(
        "none", "Level each recording before cutting (pre) or each slice after (post).", "Advanced"
    )


class Extract(Embedding, Hardware):
    """Extract pitch and content features from the slices."""

    model_name: str = option(help="Name of the voice in the making.")
    sample_rate: SampleRate = option(help="Sample rate of the voice in Hz.")
    f0_method: Method = option("rmvpe", "Pitch extractor.")
    cpu_cores: int = option(
        ALL_CORES, "Threads to use; all cores by default.", "Advanced", ge=1, le=64
    )
    include_mutes: int = option(2, "Silent clips added per speaker.", "Advanced", ge=0, le=10)


class Train(Hardware):
    """Train a voice on the extracted features."""

    model_name: str = option(help="Name of the voice in the making.")
    sample_rate: SampleRate = option(help="Sample rate of the voice in Hz.")
    vocoder: VocoderName = option("HiFi-GAN", "Network that makes the sound.")
    total_epoch: int = option(1000, "Train up to this epoch.", ge=1, le=10000)
    save_every_epoch: int = option(help="Save every so many epochs.", ge=1, le=100)
    batch_size: int = option(
        8, "Clips per step and device; 0 finds the largest that fits.", ge=0, le=64
    )
    save_only_latest: bool = option(False, "Keep only the newest G_ and D_ files.", "Advanced")
    save_every_weights: bool = option(True, "Write a voice file at every save.", "Advanced")
    pretrained: bool = option(True, "Start from the official base models.", "Advanced")
    custom_pretrained: bool = option(False, "Start from base models of your own.", "Advanced")
    g_pretrained_path: OptionalPath = option(
        None, "Generator base model (custom).", "Advanced", reads=True
    )
    d_pretrained_path: OptionalPath = option(
        None, "Discriminator base model (custom).", "Advanced", reads=True
    )
    cleanup: bool = option(False, "Begin anew: delete this voice's earlier training.", "Advanced")
    checkpointing: bool = option(False, "Save memory at the cost of time.", "Advanced")
    cache_data_in_gpu: bool = option(False, "Keep the data set in GPU memory.", "Advanced")
    index_algorithm: Literal["Auto", "Faiss", "KMeans"] = option(
        "Auto", "How the index is built afterwards.", "Advanced"
    )
    seed: int = option(1234, "Random seed of the run.", "Advanced", ge=0)
    precision: Literal["auto", "fp32", "fp16", "bf16"] = option(
        "auto",
        "Precision of the networks; auto takes the setting, or what suits the device.",
        "Advanced",
    )
    balance: int = option(
        10,
        "How often a clip may be repeated in an epoch, so that speakers with few clips are heard "
        "as often as others; 1 repeats none.",
        "Advanced",
        ge=1,
        le=1000,
    )
    clip_gradients: float = option(
        0.0, "Largest norm of a gradient; 0 does not limit it.", "Advanced", ge=0, le=1000000
    )
    holdout: float = option(
        0.04,
        "Share of the clips kept from training to judge the voice by; 0 for none.",
        "Advanced",
        ge=0,
        le=0.2,
    )
    save_every_minutes: float = option(
        15.0,
        "Save what is needed to go on after so many minutes, also within an epoch.",
        "Advanced",
        ge=0,
        le=1440,
    )


class Index(Params):
    """Build the index of a voice from its features."""

    model_name: str = option(help="Name of the voice in the making.")
    index_algorithm: Literal["Auto", "Faiss", "KMeans"] = option(
        "Auto", "KMeans condenses the features to 10,000 centres; Auto does so above 200,000 rows."
    )


class CreateVoice(Preprocess, Extract, Train):
    """Make a voice from recordings: preprocess, extract, train and index in one go."""

    sample_rate: SampleRate = option(40000, "Sample rate of the voice in Hz.")
    save_every_epoch: int = option(10, "Save every so many epochs.", ge=1, le=100)


class Distil(Hardware):
    """Make a small voice for going live: it learns from what another makes of speech."""

    pth_path: Path = option(help="Voice file that teaches.", reads=True)
    index_path: OptionalPath = option(None, "Its index (.index).", reads=True)
    model_name: str = option(help="Name of the new voice.")
    dataset_path: OptionalPath = option(
        None,
        "Folder with speech to convert, best your own; built-in sentences if not given.",
        reads=True,
    )
    sid: str = option("0", "Speaker of the voice that teaches: number or name.", "Advanced")
    minutes: float = option(10.0, "So much speech is converted at most.", gt=0, le=600)
    total_epoch: int = option(60, "Train up to this epoch.", ge=1, le=10000)
    batch_size: int = option(8, "Clips per step; 0 finds the largest that fits.", ge=0, le=64)


class DatasetReport(Speakers, Tracks):
    """Judge a folder of recordings before training on it."""

    folder: Path = argument(help="Folder with recordings.", reads=True)
    output_folder: OptionalPath = option(
        None,
        "Where report.json and report.png go; logs/reports/<folder> if not given.",
        writes=True,
    )
    cpu_cores: int = option(
        ALL_CORES, "Processes to use; all cores by default.", "Advanced", ge=1, le=64
    )


class AudioAnalyzer(Tracks):
    """Describe one recording and draw it."""

    input_path: Path = option(help="Recording to look at.", reads=True)
    output_path: OptionalPath = option(
        None, "Where the picture (.png) goes; logs/audio_analysis.png if not given.", writes=True
    )
