"""Cuts text where a speaker would take breath, for engines that speak a little at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator

# not within 3.5, 12:30 or example.org: a mark ends a sentence where a space follows
ENDS = re.compile(r"(?<=[.!?;:…])\s+|(?<=[。！？；：])|\s*\n+")
SOFT_ENDS = re.compile(r"(?<=[,，、])\s*|\s+")


def split(text: str) -> list[str]:
    """The sentences of a text, without the space around them."""
    return [s.strip() for s in ENDS.split(text) if s.strip()]


def pieces(text: str, longest: int) -> list[str]:
    """The text in pieces of at most `longest` bytes, each of as many whole sentences as fit.

    A sentence that is longer is cut at commas and spaces, and where there are none, anywhere.
    """
    out: list[str] = []
    for part in _fitting(split(text), longest):
        together = f"{out[-1]} {part}" if out else part
        if out and len(together.encode()) <= longest:
            out[-1] = together
        else:
            out.append(part)
    return out


def _fitting(sentences: list[str], longest: int) -> Iterator[str]:
    for sentence in sentences:
        if len(sentence.encode()) <= longest:
            yield sentence
            continue
        for word in SOFT_ENDS.split(sentence):
            step = max(1, longest // 4)  # no character has more bytes
            whole = len(word.encode()) <= longest
            yield from [word] if whole else [word[i : i + step] for i in range(0, len(word), step)]
