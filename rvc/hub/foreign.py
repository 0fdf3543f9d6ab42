"""What is no model at all - a pointer, a web page, half a download - is called by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rvc.errors import BadInput

PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")
AGAIN = "Download it again."
UNPACK = "Unpack it first, then import the folder."
STARTS = (  # first bytes, what it is, what to do
    (b"version https://git-lfs", "a pointer of Git LFS to the file, not the file itself", AGAIN),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"\x1f\x8b", "packed with gzip", UNPACK),
    (b"\xfd7zXZ", "packed with xz", UNPACK),
    (b"BZh", "packed with bzip2", UNPACK),
    (b"%PDF", "a PDF document", "Choose a .pth file."),
    (b"RIFF", "a recording", "Choose a .pth file."),
    (b"fLaC", "a recording", "Choose a .pth file."),
    (b"ID3", "a recording", "Choose a .pth file."),
)
LOOK_BYTES = 1 << 16


def is_page(start: bytes) -> bool:
    """Whether a file begins like a web page."""
    return start[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES)


def refuse(path: Path) -> None:
    """Nothing, where a file may be a model or an archive with one.

    Raises:
        BadInput: it is something else; the message says what.
    """
    with path.open("rb") as stream:
        start = stream.read(LOOK_BYTES)
    said = _said(path, start)
    if said is not None:
        raise BadInput(f"{path} is {said[0]}.", said[1])


def _said(path: Path, start: bytes) -> tuple[str, str] | None:
    if not start:
        return "empty (0 bytes)", AGAIN
    if is_page(start):
        return "a web page, not a model file", "Download the file itself; is it shared publicly?"
    for first, what, advice in STARTS:
        if start.startswith(first):
            return what, advice
    if not any(start):
        return "filled with zeros at its beginning: its content never came", AGAIN
    if start.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        return "cut off: the end of the file is missing", AGAIN
    return None
