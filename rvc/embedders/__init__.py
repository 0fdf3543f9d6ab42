"""Content embedders by name: facts only, nothing is loaded or fetched here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rvc.plugins import Registry


@dataclass(frozen=True)
class EmbedderInfo:
    """What is known of an embedder before its files are opened.

    Attributes:
        folder: its folder under `rvc/models/embedders` (config.json + weights), or a whole path.
        note: one line for menus.
        normalize: whether waves are brought to zero mean and unit variance, where the files
            do not say so themselves; None = by the rule that public models follow.
        shipped: its folder lies in the repository, under `rvc/models/kit`.
        family: "module:function" that builds the network, instead of the one in FAMILIES that the
            config.json asks for.
    """

    folder: str
    note: str
    normalize: bool | None = None
    shipped: bool = False
    family: str = ""


EMBEDDERS = Registry(
    "embedders",
    {
        "contentvec": EmbedderInfo(
            "contentvec", "Applio's default; speaker-independent HuBERT base.", normalize=False
        ),
        "spin": EmbedderInfo(
            "spin", "Speaker-invariant clustering on HuBERT base.", normalize=False
        ),
        "spin-v2": EmbedderInfo("spin-v2", "Second version of spin.", normalize=False),
        "chinese-hubert-base": EmbedderInfo(
            "chinese_hubert_base", "HuBERT base for Mandarin.", normalize=False
        ),
        "chinese-hubert-large": EmbedderInfo(
            "chinese_hubert_large", "HuBERT large for Mandarin, 1024 wide.", normalize=True
        ),
        "japanese-hubert-base": EmbedderInfo(
            "japanese_hubert_base", "HuBERT base for Japanese.", normalize=False
        ),
        "korean-hubert-base": EmbedderInfo(
            "korean_hubert_base", "HuBERT base for Korean.", normalize=False
        ),
        "mini": EmbedderInfo(
            "mini", "The first edition's: for voices that were trained on it.", shipped=True
        ),
        "mini-plus": EmbedderInfo(
            "mini-plus",
            "Small encoder shipped with the program, for every language; needs no download.",
            shipped=True,
        ),
        "custom": EmbedderInfo(
            "embedders_custom", "A folder of your own (--embedder-model-custom)."
        ),
    },
    EmbedderInfo,
)
SHIPPED = "mini-plus"  # what a new voice takes where nothing can be downloaded
FAMILIES = {  # model_type of a config.json -> "module:function"(config, weights, layer, projected)
    "hubert": "rvc.embedders.hubert:build",
    "wavlm": "rvc.embedders.hubert:build",
    "wav2vec2": "rvc.embedders.hubert:build",
    "data2vec-audio": "rvc.embedders.hubert:build",
    "whisper": "rvc.embedders.whisper:build",
    "wav2vec2-conformer": "rvc.embedders.others:build",
    "wav2vec2-bert": "rvc.embedders.others:build",
    "unispeech": "rvc.embedders.others:build",
    "unispeech-sat": "rvc.embedders.others:build",
    "sew": "rvc.embedders.others:build",
    "sew-d": "rvc.embedders.others:build",
}
if TYPE_CHECKING:
    EmbedderName = str
    EmbedderOrAuto = str
else:  # packages add names that no type checker knows
    EmbedderName = Literal[tuple(EMBEDDERS)]
    EmbedderOrAuto = Literal[(*EMBEDDERS, "auto")]
