"""Parameters of what looks at recordings: the dataset report and the audio analyzer."""

from __future__ import annotations

from pathlib import Path

from rvc.params.base import ALL_CORES, OptionalPath, Params, argument, option


class DatasetReport(Params):
    """Judge a folder of recordings before training on it."""

    folder: Path = argument(help="Folder with recordings.")
    output_folder: OptionalPath = option(
        None, "Where report.json and report.png go; logs/reports/<folder> if not given."
    )
    cpu_cores: int = option(
        ALL_CORES, "Processes to use; all cores by default.", "Advanced", ge=1, le=64
    )


class AudioAnalyzer(Params):
    """Describe one recording and draw it."""

    input_path: Path = option(help="Recording to look at.")
    output_path: OptionalPath = option(
        None, "Where the picture (.png) goes; logs/audio_analysis.png if not given."
    )
