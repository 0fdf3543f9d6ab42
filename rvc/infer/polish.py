"""Noise reduction and effects on a converted sound, as a stream."""

from __future__ import annotations

from collections.abc import Callable

from rvc.errors import VoiceError
from rvc.infer.spool import Spool
from rvc.params import Conversion
from rvc.progress import Report


def polished(
    sound: Spool, rate: int, p: Conversion, make: Callable[[], Spool], report: Report
) -> Spool:
    """`sound` with the clean-up and the effects that are switched on, in that order."""
    if p.clean_audio or p.post_process:
        raise VoiceError("Clean-up and effects are not available yet.")
    return sound
