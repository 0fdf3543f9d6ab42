"""Content embedders by name: facts only, nothing is loaded or fetched here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EmbedderInfo:
    """What is known of an embedder before its files are opened.

    Attributes:
        folder: its folder under `rvc/models/embedders` (config.json + weights).
        note: one line for menus.
    """

    folder: str
    note: str


EMBEDDERS = {
    "contentvec": EmbedderInfo("contentvec", "Applio's default; speaker-independent HuBERT base."),
    "spin": EmbedderInfo("spin", "Speaker-invariant clustering on HuBERT base."),
    "spin-v2": EmbedderInfo("spin-v2", "Second version of spin."),
    "chinese-hubert-base": EmbedderInfo("chinese_hubert_base", "HuBERT base for Mandarin."),
    "chinese-hubert-large": EmbedderInfo(
        "chinese_hubert_large", "HuBERT large for Mandarin, 1024 wide."
    ),
    "japanese-hubert-base": EmbedderInfo("japanese_hubert_base", "HuBERT base for Japanese."),
    "korean-hubert-base": EmbedderInfo("korean_hubert_base", "HuBERT base for Korean."),
    "mini": EmbedderInfo("mini", "Small encoder shipped with the program; needs no download."),
    "custom": EmbedderInfo("embedders_custom", "A folder of your own (--embedder-model-custom)."),
}
EmbedderName = Literal[
    "contentvec",
    "spin",
    "spin-v2",
    "chinese-hubert-base",
    "chinese-hubert-large",
    "japanese-hubert-base",
    "korean-hubert-base",
    "mini",
    "custom",
]
