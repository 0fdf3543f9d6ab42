"""Mixed to one channel, a voice keeps its level wherever in the channels it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc.audio import Account, io, mix

RATE = 16000
FIVE_ONE = ("FL", "FR", "FC", "LFE", "BL", "BR")


def voice(seconds: float = 6.0, seed: int = 0) -> np.ndarray:
    """Syllables of noise (T,): loud for 0.2 s, silent for 0.1 s."""
    t = np.arange(round(seconds * RATE))
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (0.1 * noise * ((t // (RATE // 10)) % 3 < 2)).astype(np.float32)


def db(wave: np.ndarray) -> float:
    return float(10 * np.log10(np.square(wave, dtype=np.float64).mean() + 1e-20))


def downmix(wave: np.ndarray, rate: int, layout: tuple[str, ...] = ()) -> np.ndarray:
    """A whole sound (T, C) as one channel (T,)."""
    mixer = mix.Mixer(rate, wave.shape[1], layout)
    return np.concatenate([mixer(wave), mixer.rest()])


def halves(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(first)) < len(first) // 2, first, second).astype(np.float32)


V, OTHER, SILENT = voice(), voice(seed=1), np.zeros(6 * RATE, np.float32)
CASES = {
    "both": [V, V],
    "opposite": [V, -V],
    "opposite and quieter": [V, -0.5 * V],
    "opposite at first": [V, halves(-V, V)],
    "left": [V, SILENT],
    "right": [SILENT, V],
    "left, then right": [halves(V, SILENT), halves(SILENT, V)],
    "late": [V, np.roll(V, 400)],
    "one of four": [SILENT, SILENT, V, SILENT],
    "one of eight": [SILENT] * 7 + [V],
    "all of four": [V, V, V, V],
    "one of four opposite": [V, V, V, -V],
}


@pytest.mark.parametrize("name", CASES)
def test_the_level_is_kept_all_the_time(name: str) -> None:
    wave = np.stack(CASES[name], axis=1)
    mixed = downmix(wave, RATE)
    assert len(mixed) == len(wave)
    for piece, whole in zip(np.array_split(mixed, 6), np.array_split(V, 6), strict=True):
        assert db(piece) == pytest.approx(db(whole), abs=3)


@pytest.mark.parametrize("place", FIVE_ONE)
def test_five_point_one_by_its_places(place: str) -> None:
    wave = np.stack([V if name == place else SILENT for name in FIVE_ONE], axis=1)
    mixed = downmix(wave, RATE, FIVE_ONE)
    if place == "LFE":
        assert db(mixed) < -100  # effects only, by its definition
    else:
        assert db(mixed) == pytest.approx(db(V), abs=3)


def test_dialogue_stands_above_surround() -> None:
    wave = np.stack([0.2 * OTHER, 0.2 * OTHER, V, SILENT, OTHER, OTHER], axis=1)
    mixed = downmix(wave, RATE, FIVE_ONE)
    plain = wave.mean(axis=1)
    said, before = (float(np.corrcoef(m, V)[0, 1]) for m in (mixed, plain))
    assert said > before + 0.3


def test_ordinary_stereo_is_the_average_to_the_last_bit() -> None:
    wave = np.stack([V + 0.1 * OTHER, V - 0.1 * OTHER], axis=1)
    np.testing.assert_array_equal(downmix(wave, RATE), wave.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize("block", [100, 7777, 40000])
@pytest.mark.parametrize("name", ["opposite at first", "left, then right"])
def test_blocks_of_any_size_give_the_same(name: str, block: int) -> None:
    wave = np.stack(CASES[name], axis=1)
    mixer = mix.Mixer(RATE, 2)
    parts = [mixer(wave[at : at + block]) for at in range(0, len(wave), block)] + [mixer.rest()]
    np.testing.assert_allclose(np.concatenate(parts), downmix(wave, RATE), atol=1e-6)


def test_reading_from_the_middle_mixes_as_reading_all(tmp_path: Path) -> None:
    wave = np.stack(CASES["opposite at first"], axis=1)
    soundfile.write(tmp_path / "a.wav", wave, RATE, "FLOAT")
    whole, _ = io.load(tmp_path / "a.wav", account=Account())
    for start, stop in ((0, 30000), (41234, 52345), (80000, None)):
        parts = io.blocks(tmp_path / "a.wav", start=start, stop=stop, account=Account())
        found = list(parts)
        assert found[0].start == start
        joined = np.concatenate([b.wave for b in found])
        np.testing.assert_allclose(joined, whole[start:stop], atol=1e-6)


def test_it_is_said_when_it_matters(tmp_path: Path) -> None:
    for name, words in (("opposite", "opposite"), ("left", "not in all"), ("both", "")):
        soundfile.write(tmp_path / "a.wav", np.stack(CASES[name], axis=1), RATE)
        account = Account()
        io.load(tmp_path / "a.wav", account=account)
        assert any(words in note for note in account.notes) if words else not account.notes


def test_the_layout_of_a_wav_is_used(tmp_path: Path) -> None:
    wave = np.stack([0.3 * OTHER, 0.3 * OTHER, V, SILENT, OTHER, OTHER], axis=1)
    soundfile.write(tmp_path / "a.wav", wave, RATE, "FLOAT", format="WAVEX")
    [block] = io.blocks(tmp_path / "a.wav", mono=False)
    assert block.layout == FIVE_ONE
    mixed, _ = io.load(tmp_path / "a.wav")
    np.testing.assert_allclose(mixed, downmix(wave, RATE, FIVE_ONE), atol=1e-6)


@pytest.mark.parametrize("name", ["opposite", "left", "right", "opposite at first"])
def test_the_side_holds_nothing_of_a_voice_that_was_mixed(name: str) -> None:
    mixer = mix.Mixer(RATE, 2, side=True)
    wave = np.stack(CASES[name], axis=1)
    both = np.concatenate([mixer(wave), mixer.rest()])
    assert db(both[:, 0]) == pytest.approx(db(V), abs=1)
    assert db(both[: RATE * 2, 1]) < db(V) - 40


def test_the_side_of_ordinary_stereo_is_half_the_difference() -> None:
    mixer = mix.Mixer(RATE, 2, side=True)
    wave = np.stack([V + 0.2 * OTHER, V - 0.2 * OTHER], axis=1)
    both = np.concatenate([mixer(wave), mixer.rest()])
    np.testing.assert_allclose(both[:, 1], 0.2 * OTHER, atol=1e-6)


def test_values_that_are_no_numbers_stay_visible() -> None:
    wave = np.stack([V, V], axis=1)
    wave[5000, 0] = np.nan
    assert np.flatnonzero(np.isnan(downmix(wave, RATE))).tolist() == [5000]


@pytest.mark.parametrize("channels", [1, 2])
def test_two_sides_stay_as_they_are(channels: int) -> None:
    wave = np.stack([V, OTHER][:channels], axis=1)
    np.testing.assert_array_equal(mix.to_stereo(wave), wave)


@pytest.mark.parametrize("place", FIVE_ONE)
def test_a_films_channels_are_heard_on_their_sides(place: str) -> None:
    wave = np.stack([V if name == place else SILENT for name in FIVE_ONE], axis=1)
    left, right = mix.to_stereo(wave).T
    wanted = {"L": (True, False), "R": (False, True)}.get(place[-1], (place == "FC",) * 2)
    assert (left.any(), right.any()) == wanted
    for side in (left, right):
        assert not side.any() or -3.1 < db(side) - db(V) < 0.1
