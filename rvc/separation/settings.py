"""What lies beside a model file of one's own: how the network in it is to be used.

Such files come as YAML or JSON from several programs; known lines are read as text, because YAML
may ask its reader to build objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rvc.errors import BadInput

ENDINGS = (".yaml", ".yml", ".json")
LINE = re.compile(r"""^[\s{]*["']?(\w+)["']?\s*:\s*["']?([^"'#,}]*)["']?[\s,}]*$""")
ITEM = re.compile(r"""^\s*-\s*["']?([\w -]+?)["']?\s*$""")
VOICES = frozenset(["vocals", "voice", "lead", "dry", "noreverb", "no reverb"])
RESTS = frozenset(["other", "instrumental", "accompaniment", "reverb", "backing"])
LARGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelSettings:
    """How a network is used.

    Attributes:
        hop: of a RoFormer's spectrogram in samples. window: of an MDX-Net's. None: not said.
        gain: of what the network gives.
        stem: which of its stems is meant.
        rest: that stem is not the voice but what is to be taken away.
    """

    hop: int | None = None
    window: int | None = None
    gain: float = 1.0
    stem: int = 0
    rest: bool = False


def beside(model: Path) -> ModelSettings:
    """What the file of a model's name and the ending .yaml, .yml or .json says; else defaults.

    Raises:
        BadInput: it is too large, or a number in it is none.
    """
    file = next((f for f in map(model.with_suffix, ENDINGS) if f.is_file()), None)
    if file is None:
        return ModelSettings()
    if file.stat().st_size > LARGEST_BYTES:
        raise BadInput(f"{file} is too large for a model's settings.", "Is it the right file?")
    said, stems = _lines(file.read_text(encoding="utf-8", errors="replace"))
    target = said.get("target_instrument", said.get("primary_stem", "")).lower()
    names = stems if target in ("", "null", "none") else [target]  # or this stem and no other
    sung = next((i for i, name in enumerate(names) if name in VOICES), None)
    try:
        return ModelSettings(
            hop=_whole(said, "stft_hop_length"),
            window=_whole(said, "mdx_n_fft_scale_set", "n_fft"),
            gain=float(said.get("compensate", 1.0)),
            stem=sung or 0,
            rest=sung is None and bool(names) and names[0] in RESTS,
        )
    except ValueError as error:
        raise BadInput(f"{file} holds no settings: {error}.", "Correct or remove it.") from error


def _whole(said: dict[str, str], *names: str) -> int | None:
    """The first of some numbers that is given."""
    return next((int(said[name]) for name in names if said.get(name)), None)


def _lines(text: str) -> tuple[dict[str, str], list[str]]:
    """(values by name, the last of equal names; the items of the list `instruments`)."""
    said: dict[str, str] = {}
    stems: list[str] = []
    key = ""
    for line in text.splitlines():
        if (found := LINE.match(line)) is not None:
            key = found[1]
            said[key] = found[2].strip()
        elif key == "instruments" and (item := ITEM.match(line)) is not None:
            stems.append(item[1].lower())
    return said, stems
