"""Text files of any origin are read as what their writer saw."""

from __future__ import annotations

import pytest

from rvc import texts

WESTERN = "Grüße aus Köln, “schön” – déjà vu, größer, créée für 5 €."
CHINESE = "今天天气很好, 我们去公园散步。你好。"


@pytest.mark.parametrize("text", [WESTERN, CHINESE, "", "plain words"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_says_its_encoding_is_read_without_a_guess(text: str, encoding: str) -> None:
    assert texts.decode(text.encode(encoding)) == (text, "")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (WESTERN, "cp1252"),
        ("Nur ein ß", "cp1252"),
        (CHINESE, "gb18030"),
        ("Words and 你好", "gb18030"),
        (WESTERN, "utf-16-le"),
        (WESTERN, "utf-16-be"),
    ],
)
def test_what_does_not_is_guessed_and_the_guess_is_named(text: str, encoding: str) -> None:
    assert texts.decode(text.encode(encoding)) == (text, encoding)


def test_every_byte_can_be_read() -> None:
    text, guessed = texts.decode(bytes(range(1, 256)))
    assert len(text) == 255
    assert guessed == "latin-1"
