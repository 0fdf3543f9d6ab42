"""Formant speech by espeak-ng with the time of every phoneme: cheap, clear, nothing like a person.

As sources they are what a conversion meets in screen readers and toys; as a probe they are exact in
any language. Uses the library in the package espeakng-loader. Development-time only.
"""

from __future__ import annotations

import ctypes
import re

import espeakng_loader
import numpy as np
import soxr

from recipes.kokoro import RATE_HZ, Spoken

VARIANTS = ("m1", "f2", "m3", "f4", "m5", "f5", "m7", "f1")
VOICES = {
    "en": "en-us",
    "es": "es",
    "fr": "fr",
    "it": "it",
    "pt": "pt-br",
    "de": "de",
    "ru": "ru",
    "cs": "cs",
}
RETRIEVAL, PHONEME_EVENTS, PHONEME_IPA = 1, 1, 2
LIST_END, PHONEME = 0, 7  # kinds of event
UTF8, RATE, PITCH, RANGE = 1, 1, 3, 4


class Event(ctypes.Structure):
    """`espeak_EVENT`; `name` holds up to seven bytes of UTF-8."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)


class Formant:
    """The library in its speaking mode; one in a process, and none beside `phonemes.espeak_ipa`."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate_hz: int = self.library.espeak_Initialize(
            RETRIEVAL, 0, data, PHONEME_EVENTS | PHONEME_IPA
        )
        if self.rate_hz <= 0:
            raise OSError("espeak-ng did not start.")
        self.sound: list[np.ndarray] = []
        self.begun: list[tuple[str, int]] = []  # (phoneme, ms)
        self.callback = CALLBACK(self._take)
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: object) -> int:
        if wave and count > 0:
            self.sound.append(np.ctypeslib.as_array(wave, (count,)).copy())
        number = 0
        while events[number].kind != LIST_END:  # type: ignore[index]
            event = events[number]  # type: ignore[index]
            if event.kind == PHONEME:
                name = event.name.decode("utf-8", errors="ignore")
                self.begun.append((re.sub(r"[0-9()]", "", name), event.audio_position))
            number += 1
        return 0

    def speak(self, text: str, language: str, variant: str, seed: int) -> Spoken:
        """Say a text; `seed` draws pace, pitch and liveliness."""
        rng = np.random.default_rng(seed)
        self.sound.clear()
        self.begun.clear()
        if self.library.espeak_SetVoiceByName(f"{VOICES[language]}+{variant}".encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {VOICES[language]}+{variant}.")
        for what, low, high in ((RATE, 130, 190), (PITCH, 30, 70), (RANGE, 30, 80)):
            self.library.espeak_SetParameter(what, int(rng.integers(low, high)), 0)
        said = text.encode() + b"\0"
        self.library.espeak_Synth(said, len(said), 0, 0, 0, UTF8, None, None)
        self.library.espeak_Synchronize()
        wave = np.concatenate(self.sound).astype(np.float32) / 32768
        names = [name for name, _ in self.begun]
        ends = [ms / 1000 for _, ms in self.begun[1:]] + [len(wave) / self.rate_hz]
        wave = soxr.resample(wave, self.rate_hz, RATE_HZ, quality="VHQ")
        return Spoken(wave, list(zip(names, ends, strict=True)))
