"""Paths as people paste them: in quotes, as file:// addresses, with `~`, with blanks around."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

# a byte order mark, and what sets the direction of writing (Windows puts it before copied paths)
UNSEEN = "\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
AROUND = "".join(map(chr, range(33))) + "\x7f\xa0" + UNSEEN
QUOTES = ('""', "''", "``", "<>", "“”", "„“", "”“", "‘’", "«»", "»«")
HOSTS = {"", "localhost"}
ESCAPED = re.compile(r"\\(.)")


def path(text: str) -> str:
    """The path that is meant; what exists under the very words given stays as it is."""
    if not text.strip() or "\0" in text or os.path.lexists(text):
        return text
    meant = text.strip(AROUND)
    while len(meant) > 2 and meant[0] + meant[-1] in QUOTES:
        meant = meant[1:-1].strip(AROUND)
    if meant.lower().startswith("file:"):
        meant = _of_address(meant)
    if meant == "~" or meant.startswith(("~/", "~\\")):
        meant = os.path.expanduser(meant)
    if os.sep == "/" and "\\" in meant and not os.path.lexists(meant):
        plain = ESCAPED.sub(r"\1", meant)  # a file dragged into a terminal: a\ b.wav
        meant = plain if os.path.lexists(plain) else meant
    return meant


def _of_address(address: str) -> str:
    """The path of a file:// address; one on another machine stays an address."""
    parts = urlsplit(address)
    if parts.netloc.lower() not in HOSTS or not parts.path:
        return address
    rest = address.split(":", 1)[1]
    path = rest[2:].partition("/")[1:] if rest.startswith("//") else ("", rest)
    return url2pathname("".join(path)) if os.name == "nt" else unquote("".join(path))
