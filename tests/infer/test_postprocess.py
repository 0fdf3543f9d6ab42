"""Clean-up and effects act on any length, without seams, and leave the length alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rvc import silent
from rvc.audio import effects
from rvc.audio.stream import Spool
from rvc.infer import polish
from rvc.params import Conversion
from tests.infer.conftest import sung

RATE = 16_000


def through(wave: np.ndarray, **options: Any) -> np.ndarray:
    spools = []

    def make() -> Spool:
        spools.append(Spool())
        return spools[-1]

    sound = make()
    sound.append(wave)
    done = polish.polished(sound, RATE, Conversion(**options), make, silent)
    return done.read(0, len(done))


def test_nothing_switched_on_changes_nothing() -> None:
    wave = sung(1)
    assert np.array_equal(through(wave), wave)
    assert np.array_equal(through(wave, reverb=True), wave), "post_process is the main switch"


def test_stretches_join_exactly_where_the_change_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polish, "CHUNK_S", 1.0)
    wave = sung(3.7)
    sound = Spool()
    sound.append(wave)
    made = polish.chunked(sound, RATE, lambda w: 2 * w, Spool, silent)
    assert np.allclose(made.read(0, len(made)), 2 * wave, atol=1e-6)


def test_clean_up_takes_noise_out_and_keeps_the_voice() -> None:
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.standard_normal(5 * RATE).astype(np.float32)
    wave = noise.copy()
    wave[2 * RATE : round(2.2 * RATE)] += sung(0.2)
    out = through(wave, clean_audio=True, clean_strength=1.0)
    assert len(out) == len(wave)
    quiet = slice(4 * RATE, round(4.9 * RATE))
    assert np.std(out[quiet]) < 0.7 * np.std(wave[quiet])
    voice = slice(2 * RATE, round(2.2 * RATE))
    assert np.std(out[voice]) > 10 * np.std(out[quiet])
    assert np.array_equal(through(wave, clean_audio=True, clean_strength=0.0), wave)


SETTINGS = {
    "pitch_shift": {"pitch_shift_semitones": 3},
    "gain": {"gain_db": 6},
    "compressor": {"compressor_threshold": -30, "compressor_ratio": 4},
    "limiter": {"limiter_threshold": -20},
    "clipping": {"clipping_threshold": -20},
    "bitcrush": {"bitcrush_bit_depth": 4},
}


@pytest.mark.parametrize("name", list(effects.CHAIN))
def test_every_effect_acts_alike_on_a_stream_and_on_the_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pedalboard")
    monkeypatch.setattr(polish, "BLOCK", 5000)
    wave = sung(1.5)
    options: dict[str, Any] = {"post_process": True, name: True, **SETTINGS.get(name, {})}
    out = through(wave, **options)
    assert len(out) == len(wave)
    assert np.abs(out - wave).max() > 1e-3
    whole = effects.Chain([name], Conversion(**options))(wave, RATE, reset=True)
    assert np.allclose(out, whole, atol=1e-5)


def test_order_of_the_chain() -> None:
    on = Conversion.model_validate({"post_process": True} | dict.fromkeys(effects.CHAIN, True))
    names = list(polish.groups(effects.wanted(on)))
    assert names[:2] == [["reverb"], ["pitch_shift"]]
    assert sum(names, []) == list(effects.CHAIN)
