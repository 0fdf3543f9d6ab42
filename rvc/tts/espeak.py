"""espeak-ng from its bundled library: text to speech, and to phonemes for other engines."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from rvc import Report, silent
from rvc.errors import BadInput, MissingModel

SYNCHRONOUS, UTF8, CHARACTERS, RATE, IPA = 2, 1, 1, 1, 2
WORDS_PER_MINUTE = 175
SLOWEST, FASTEST = 80, 450
Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_lock = threading.Lock()  # the library speaks one text at a time


@lru_cache(maxsize=1)
def _library() -> tuple[Any, int]:
    """The loaded library and the rate of its speech in Hz."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingModel(
            "The package espeakng-loader is not installed.", "pip install espeakng-loader"
        ) from error
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as error:
        raise MissingModel(
            f"espeak-ng cannot be loaded: {error}.", "Install the package espeakng-loader."
        ) from error
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_int,
        ctypes.c_int,
    ]
    data = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, data, 0)
    if rate <= 0:
        raise MissingModel("espeak-ng finds no data of its own.", "Install espeakng-loader again.")
    return library, rate


class _Voice(ctypes.Structure):
    """The head of espeak_VOICE: name, languages (a priority byte before each), file."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
    )


@lru_cache(maxsize=1)
def _identifiers() -> dict[str, str]:
    """Language code, such as en-gb -> the file of its voice, such as gmw/en."""
    library, _ = _library()
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    found: dict[str, str] = {}
    listed, i = library.espeak_ListVoices(None), 0
    while listed[i]:
        voice = listed[i].contents
        found.setdefault(voice.languages[1:].decode().lower(), voice.identifier.decode())
        i += 1
    return found


@contextmanager
def _speaking(voice: str) -> Iterator[tuple[Any, int]]:
    library, rate = _library()
    with _lock:
        base, plus, variant = voice.strip().partition("+")
        named = _identifiers().get(base.lower(), base) + plus + variant
        if library.espeak_SetVoiceByName(named.encode()) != 0:
            raise BadInput(
                f"espeak-ng has no voice {voice!r}.",
                "Use a language such as en, en-us, de or fr, with a variant such as en+f3.",
            )
        yield library, rate


def speak(
    text: str, voice: str = "en", percent: int = 0, report: Report = silent
) -> tuple[np.ndarray, int]:
    """Speech of a text.

    Args:
        percent: faster or slower than 175 words per minute.

    Returns:
        (float32 (T,), rate in Hz).

    Raises:
        BadInput: no such voice, or nothing to say.
    """
    parts: list[np.ndarray] = []

    def take(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    callback, data = Callback(take), text.encode()
    speed = min(FASTEST, max(SLOWEST, round(WORDS_PER_MINUTE * (1 + percent / 100))))
    with _speaking(voice) as (library, rate):
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetParameter(RATE, speed, 0)
        library.espeak_Synth(data, len(data) + 1, 0, CHARACTERS, 0, UTF8, None, None)
    if not any(part.any() for part in parts):
        raise BadInput("There is nothing in the text to speak.", "Give words.")
    return np.concatenate(parts).astype(np.float32) / 32768.0, rate


def phonemes(text: str, voice: str) -> str:
    """International phonetic alphabet of a text without its punctuation.

    Raises:
        BadInput: no such voice.
    """
    buffer = ctypes.create_string_buffer(text.encode())
    at = ctypes.c_void_p(ctypes.addressof(buffer))
    said = []
    with _speaking(voice) as (library, _):
        while at.value:
            said.append(library.espeak_TextToPhonemes(ctypes.byref(at), UTF8, IPA).decode())
    return " ".join(said)
