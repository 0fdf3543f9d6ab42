"""Reads text files as people have them: UTF-8, what Notepad writes, and older code pages."""

from __future__ import annotations

import codecs
import re

MARKS = (  # the longer ones first: UTF-32 begins as UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
PAIRS = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")  # a Chinese character in GB 2312, GBK and GB 18030
COMMON = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")  # its punctuation and most used characters
HIGH = re.compile(rb"[\x80-\xff]")


def decode(data: bytes) -> tuple[str, str]:
    """The text of a file, so that it reads the same wherever it is given.

    A byte order mark decides; without one it is UTF-16 where every other byte is 0, else UTF-8,
    else by the frequency of pairs GB 18030 (Chinese) or Windows-1252 (Western Europe).

    Returns:
        (text, without mark; the encoding where it is a guess, else "").
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace"), ""
    half = len(data) // 2
    for odd, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half and data[odd::2].count(0) > 0.6 * half and not data[1 - odd :: 2].count(0):
            return data.decode(encoding, errors="replace"), encoding
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        return _code_page(data)


def _code_page(data: bytes) -> tuple[str, str]:
    high, pairs, common = (len(p.findall(data)) for p in (HIGH, PAIRS, COMMON))
    chinese = 2 * pairs > 0.9 * high and 2 * common > pairs
    for encoding in ("gb18030",) * chinese + ("cp1252",):
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), "latin-1"
