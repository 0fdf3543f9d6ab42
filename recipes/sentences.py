"""What the corpus says: free sentences in many languages, the same list on every machine.

Half are combined from our own phrases (`sentences.json`: any first part goes with any second and
third; a first part with a question mark makes a question), half are sentences of the Debian
installation guide (GPL-2, translated by volunteers), read from the HTML of the package
installation-guide-amd64. Development-time only.
"""

from __future__ import annotations

import html
import itertools
import json
import random
import re
from pathlib import Path

GUIDE = Path("/usr/share/doc/installation-guide-amd64")
OWN = Path(__file__).with_name("sentences.json")
LANGUAGES = ("en", "es", "fr", "it", "pt", "de", "ru", "ja", "zh", "cs")
DENSE = ("ja", "zh")  # written without spaces: few characters say much
SEED = 31
HELD_OUT = 40  # the last sentences of every language are never trained on


def combined(language: str) -> list[str]:
    """Every sentence our own phrases make, in a shuffled order that never changes."""
    parts = json.loads(OWN.read_text(encoding="utf-8"))[language]
    space = "" if language in DENSE else " "
    stop = "。" if language in DENSE else "."
    found = [
        space.join(chosen).replace("?", "") + ("?" if "?" in chosen[0] else stop)
        for chosen in itertools.product(*parts)
    ]
    random.Random(SEED).shuffle(found)
    return found


def guide(language: str, root: Path = GUIDE) -> list[str]:
    """Plain sentences of one translation of the guide; [] where it is not installed.

    Sentences that stand in the English guide too were left untranslated and are passed over, and so
    are those with digits, signs of a shell or (outside the Latin alphabet) Latin words.
    """
    found = _guide(language, root)
    if language != "en":
        english = set(_guide("en", root))
        found = [sentence for sentence in found if sentence not in english]
    return found


def _guide(language: str, root: Path) -> list[str]:
    folder = root / {"zh": "zh_CN"}.get(language, language)
    dense = language in DENSE
    least, most = (12, 50) if dense else (40, 110)
    ends = r"(?<=[。！？])" if dense else r"(?<=[.!?])\s+"
    allowed = re.compile(r"[^\W\d_][\w\s,'’;:、，；：-]*[.!?。！？]")
    found: dict[str, None] = {}
    for file in sorted(folder.glob("*.html")):
        page = file.read_text(encoding="utf-8", errors="replace")
        for paragraph in re.findall(r"<p>(.*?)</p>", page, flags=re.DOTALL):
            plain = html.unescape(re.sub(r"<[^>]+>", "", paragraph))
            for sentence in re.split(ends, re.sub(r"\s+", " ", plain).strip()):
                text = sentence.replace(" ", "") if dense else sentence
                latin = language in ("ru", *DENSE) and re.search("[A-Za-z]", text)
                shouted = re.search(r"[A-Z]{2}|[a-z][A-Z]", text)  # spelt, not read
                fits = least <= len(text) <= most and allowed.fullmatch(text)
                if fits and not latin and not shouted and not re.search(r"\d", text):
                    found[text] = None
    return list(found)


def sentences(language: str, root: Path = GUIDE) -> list[str]:
    """Our own and the guide's sentences in turn, the same order on every machine."""
    rest = guide(language, root)
    random.Random(SEED).shuffle(rest)
    own = combined(language)[: max(300, len(rest))]
    pairs = itertools.zip_longest(rest, own)
    return [sentence for pair in pairs for sentence in pair if sentence]
