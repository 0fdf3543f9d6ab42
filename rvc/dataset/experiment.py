"""What every experiment says of itself: `config.json` and `model_info.json`, as Applio has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rvc import files
from rvc.errors import BadInput, Mismatch
from rvc.nets import config
from rvc.nets.config import VoiceSettings

CONFIG, INFO = "config.json", "model_info.json"
SAME = ("sample_rate", "hop_length", "filter_length", "upsample_rates")  # for all configurations


def template(rate_hz: int) -> Path:
    """The configuration that experiments of a sample rate begin with.

    Raises:
        BadInput: there is none for this rate.
    """
    return config.config_file(rate_hz)


def write_config(folder: Path, rate_hz: int) -> None:
    """Put config.json in place; one made by hand for this rate is kept, another rate's is not."""
    file = folder / CONFIG
    try:
        kept = files.read_json(file)["data"]["sample_rate"] == rate_hz
    except (OSError, ValueError, KeyError, TypeError):
        kept = False
    if not kept:
        files.write_bytes(file, template(rate_hz).read_bytes())


def settings(folder: Path, rate_hz: int, vocoder: str) -> VoiceSettings:
    """The experiment's own config.json where it is for the same networks, else the standard.

    Raises:
        BadInput: no such rate or vocoder, or a file that is no configuration.
        Mismatch: it is for another rate.
    """
    standard, file = config.load(rate_hz, vocoder), folder / CONFIG
    if not file.is_file():
        return standard
    own = config.read(file)
    common = config.CONFIGS / f"{rate_hz}.json"
    if common.is_file() and own == config.read(common):
        return standard  # put there before the vocoder was known, which may have its own
    for key in SAME:
        if getattr(own, key) != getattr(standard, key):
            raise Mismatch(
                f"{file} is for {key.replace('_', ' ')} {getattr(own, key)}, "
                f"the training wants {getattr(standard, key)}.",
                "Run preprocess and extract again for this rate, or delete the file.",
            )
    return own


def info(folder: Path) -> dict[str, Any]:
    """What model_info.json says; nothing where there is none.

    Raises:
        BadInput: it is damaged.
    """
    file = folder / INFO
    try:
        return files.read_json(file)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadInput(f"{file} is damaged.", "Run extract again; it writes it anew.") from error


def update_info(folder: Path, values: Mapping[str, Any]) -> None:
    """Change entries of model_info.json; the others belong to other stages and stay."""
    try:
        known = info(folder)
    except BadInput:
        known = {}
    files.write_json(folder / INFO, known | dict(values), indent=4)


def duration(seconds: float) -> str:
    """A length of time as model_info.json spells it, HH:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
