"""Clean-up and effects on a sound of any length: block by block, or in stretches that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from rvc import Report
from rvc.audio import dsp, effects
from rvc.audio.stream import BLOCK, Spool
from rvc.params import Conversion

CHUNK_S, CONTEXT_S, FADE_S = 20.0, 3.0, 0.25
MakeSpool = Callable[[], Spool]
LATE = "pitch_shift"  # answers later than it is asked, so it cannot run block by block


def polished(sound: Spool, rate: int, p: Conversion, make: MakeSpool, report: Report) -> Spool:
    """`sound` with the clean-up and the effects that are switched on, in that order.

    Raises:
        MissingModel: an effect's package is not installed.
    """
    if p.clean_audio and p.clean_strength > 0:
        sound = chunked(
            sound, rate, lambda wave: effects.denoise(wave, rate, p.clean_strength), make, report
        )
    for names in groups(effects.wanted(p)):
        chain = effects.Chain(names, p)
        if LATE in names:
            sound = chunked(sound, rate, _from_silence(chain, rate), make, report)
            continue
        sound = _block_by_block(sound, partial(chain, rate=rate), make, report)
    for effect in effects.of_plugins(p, rate):
        sound = _block_by_block(sound, effect, make, report)
    return sound


def _block_by_block(
    sound: Spool, change: Callable[[np.ndarray], np.ndarray], make: MakeSpool, report: Report
) -> Spool:
    made = make()
    for start, block in sound.blocks(BLOCK):
        made.append(change(block))
        report(start + len(block), len(sound), "Effects")
    sound.close()
    return made


def _from_silence(chain: effects.Chain, rate: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda wave: chain(wave, rate, reset=True)


def groups(names: list[str]) -> Iterator[list[str]]:
    """The effects in their order, those that run block by block together."""
    row: list[str] = []
    for name in names:
        if name == LATE:
            yield from [row] if row else []
            yield [name]
            row = []
        else:
            row.append(name)
    if row:
        yield row


def chunked(
    sound: Spool,
    rate: int,
    change: Callable[[np.ndarray], np.ndarray],
    make: MakeSpool,
    report: Report,
) -> Spool:
    """Apply something that wants to see a sound whole to stretches with context, crossfaded."""
    size, context, fade = (round(s * rate) for s in (CHUNK_S, CONTEXT_S, FADE_S))
    made, length = make(), len(sound)
    rise = dsp.fade_in(fade)
    tail = np.zeros(0, np.float32)  # faded out already, waits for the next stretch to rise
    for start in range(0, length, size):
        first = max(0, start - context)
        wave = change(sound.read(first, start + size + fade + context))[start - first :]
        wave = np.array(wave[: size + fade], np.float32)
        wave[: len(tail)] = wave[: len(tail)] * rise[: len(tail)] + tail
        tail = wave[size:] * rise[::-1][: len(wave[size:])]
        made.append(wave[:size])
        report(min(start + size, length), length, "Polishing")
    sound.close()
    return made
