"""Tells a web page from a model file by its first bytes."""

from __future__ import annotations

PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")


def is_page(start: bytes) -> bool:
    """Whether a file begins like a web page."""
    return start[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES)
