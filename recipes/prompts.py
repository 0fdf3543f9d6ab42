"""Prompts that real people recorded for Asterisk, in five languages (16 kHz; CC-BY-SA and CC-BY).

From Debian's asterisk-core-sounds-{en,es,fr,it,ru} (texts) and the same with -g722 (sound).
Development-time only.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr

RATE_HZ = 24000
PEOPLE = {
    "en": ("en_US_f_Allison", "f"),
    "es": ("es_MX_f_Allison", "f"),
    "fr": ("fr_CA_f_June", "f"),
    "it": ("it_IT_m_Carlo", "m"),
    "ru": ("ru_RU_f_IvrvoiceRU", "f"),
}
LEAST_BYTES = 10000  # 1.25 s
HELD_OUT = 25  # one in so many is never trained on
Prompt = tuple[str, Callable[[], np.ndarray], dict[str, Any]]


def decoded(file: Path) -> np.ndarray:
    """A G.722 file as sound (N,) at 24 kHz, without the silence at its ends."""
    with av.open(str(file), format="g722") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    wave = np.concatenate(frames).astype(np.float32) / 32768
    wave = soxr.resample(wave, 16000, RATE_HZ, quality="VHQ")
    loud = np.flatnonzero(np.abs(wave) > 0.01 * max(float(np.abs(wave).max()), 1e-6))
    pad = RATE_HZ // 10
    return np.asarray(wave[max(0, loud[0] - pad) : loud[-1] + pad])


def texts(language: str, share: Path) -> dict[str, str]:
    """What each prompt of a language says, by file name without ending."""
    package = f"asterisk-core-sounds-{language}"
    name = share / "doc" / package / f"core-sounds-{language}.txt.gz"
    with gzip.open(name, "rt", encoding="utf-8", errors="replace") as file:
        pairs = (line.split(":", 1) for line in file if ":" in line and line[0] != ";")
        return {key.strip(): text.strip() for key, text in pairs}


def all_prompts(share: Path) -> Iterator[Prompt]:
    """(file in the corpus, what decodes it, facts) of every prompt of more than a word or two."""
    for language, (person, sex) in PEOPLE.items():
        folder = share / "asterisk" / "sounds" / person
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is missing: asterisk-core-sounds-{language}-g722.")
        said = texts(language, share)
        for number, file in enumerate(sorted(folder.rglob("*.g722"))):
            if file.stat().st_size < LEAST_BYTES or "silence" in file.parts:
                continue
            key = str(file.relative_to(folder).with_suffix(""))
            facts: dict[str, Any] = {
                "speaker": f"prompts-{language}",
                "sex": sex,
                "language": language,
                "text": said.get(key, ""),
                "split": "held_out" if number % HELD_OUT == 0 else "train",
                "phones": [],
            }
            name = f"prompts/{language}/{number:04d}.flac"
            yield name, lambda file=file: decoded(file), facts  # type: ignore[misc]
