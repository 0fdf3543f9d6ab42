"""A cover is the song with another voice: pitch, place, level and all else stay."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from rvc import f0, tasks
from rvc.audio.dsp import TruePeak
from rvc.config import KIT
from rvc.errors import BadInput, Cancelled
from rvc.params import Cover
from rvc.songs import mix
from tests.separation.test_mdx import halving
from tests.songs import band

VOICE = KIT / "demo" / "demo.pth"
RATE = band.RATE


def cover(source: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """The result of the verb with the voice of the kit, and no index."""
    given: dict[str, Any] = {"pth_path": VOICE, "f0_method": "swift-f0", "gpu": "-", "seed": 1}
    return tasks.run("cover", Cover(input_path=source, output_folder=folder, **given | options))


def heard(path: str) -> np.ndarray:
    """(T, C) of a file."""
    return np.asarray(soundfile.read(path, dtype="float32", always_2d=True)[0])


def pitch(wave: np.ndarray) -> np.ndarray:
    """Hz per 10 ms of (T, C) at 44.1 kHz; 0 where there is none."""
    return f0.load("swift-f0")(soxr.resample(wave.mean(axis=1), RATE, 16000))


def lag_ms(late: np.ndarray, early: np.ndarray) -> float:
    """How far the loudness of one sound (T, C) follows that of another, by their correlation."""
    hop, reach = RATE // 1000, 100

    def loudness(wave: np.ndarray) -> np.ndarray:
        power = np.convolve(np.square(wave.mean(axis=1)), np.hanning(RATE // 100), "same")[::hop]
        db = 10 * np.log10(power + 1e-6)
        return np.asarray(db - db.mean())

    first, second = loudness(early), loudness(late)
    middle = first[reach:-reach]
    found = [middle @ second[k : k + len(middle)] for k in range(2 * reach + 1)]
    return (int(np.argmax(found)) - reach) * 1000 * hop / RATE


@pytest.fixture(scope="module")
def parts() -> tuple[np.ndarray, np.ndarray]:
    """Voice and music of 6 s, the voice silent in the last two."""
    voice, music = band.song(6.0)
    voice = voice.copy()
    voice[4 * RATE :] = 0
    return voice, music


def test_the_voice_follows_the_song_and_all_else_stays(
    home: Path, tmp_path: Path, parts: tuple[np.ndarray, np.ndarray]
) -> None:
    voice, music = parts
    source = band.write(tmp_path / "song.wav", voice + music)
    made = cover(source, tmp_path / "o", acapella=True, ceiling=0.0)
    result, alone = heard(made["output_path"]), heard(made["acapella"])
    assert len(result) == len(alone) == len(voice)
    wanted, found = pitch(voice), pitch(alone)
    both = (wanted > 0) & (found > 0)
    assert both.sum() > 0.6 * (wanted > 0).sum()
    cents = 1200 * np.abs(np.log2(found[both] / wanted[both]))
    assert np.mean(cents <= 50) >= 0.75
    assert abs(lag_ms(alone, voice)) <= 5
    assert lag_ms(np.roll(voice, RATE // 50, axis=0), voice) == pytest.approx(20, abs=1)
    # nobody sings in the last two seconds: there the song is as it was
    assert np.abs(result[-RATE:] - (voice + music)[-RATE:]).max() < 1e-3
    assert not alone[-RATE:].any()
    # the voice stands where it stood, as loud as it was
    sides = [band.level(alone[:, side]) / band.level(voice[:, side]) for side in (0, 1)]
    assert 20 * np.log10(sides[0] / sides[1]) == pytest.approx(0, abs=2)
    assert 20 * np.log10(band.level(alone) / band.level(voice)) == pytest.approx(0, abs=3)
    stems = [heard(made[stem]) for stem in ("vocals", "accompaniment")]
    assert np.array_equal(stems[0] + stems[1], heard(str(source)))


def test_without_the_voice_the_accompaniment_is_left(
    home: Path, tmp_path: Path, parts: tuple[np.ndarray, np.ndarray]
) -> None:
    voice, music = parts
    source = band.write(tmp_path / "song.wav", voice + music)
    vocals = band.write(tmp_path / "v.wav", voice)
    made = cover(source, tmp_path / "o", vocals_path=vocals, voice_gain=-60.0, match_vocals=False)
    result = heard(made["output_path"])
    scale = np.float32((result * music).sum() / np.square(music).sum())  # below the ceiling
    assert band.level(result - music * scale) < band.level(music) * 10 ** (-55 / 20)
    sides = [wave[:, 0] - wave[:, 1] for wave in (result, music)]
    assert np.corrcoef(*sides)[0, 1] > 0.99


def test_the_mix_stays_below_the_ceiling(
    home: Path, tmp_path: Path, parts: tuple[np.ndarray, np.ndarray]
) -> None:
    voice, music = parts
    source = band.write(tmp_path / "song.wav", voice + music)
    vocals = band.write(tmp_path / "v.wav", voice)
    made = cover(source, tmp_path / "o", vocals_path=vocals, voice_gain=12.0, ceiling=-1.0)
    peak = TruePeak(2)
    peak.add(heard(made["output_path"]))
    assert -2 < 20 * np.log10(peak.peak) <= -1


def test_the_key_moves_voice_and_accompaniment(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("pedalboard")
    voice, _ = band.song(4.0)
    time = np.arange(len(voice)) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 440 * time).astype(np.float32)[:, None].repeat(2, axis=1)
    source = band.write(tmp_path / "song.wav", voice + tone)
    vocals = band.write(tmp_path / "v.wav", voice)
    made = cover(source, tmp_path / "o", vocals_path=vocals, key=2, acapella=True)
    accompaniment = heard(made["output_path"]) - heard(made["acapella"])
    spectrum = np.abs(np.fft.rfft(accompaniment[:, 0] * np.hanning(len(voice))))
    peak_hz = np.argmax(spectrum) * RATE / len(voice)
    assert 1200 * np.log2(peak_hz / 440) == pytest.approx(200, abs=20)
    wanted, found = pitch(voice), pitch(heard(made["acapella"]))
    both = (wanted > 0) & (found > 0)
    moved = np.median(1200 * np.log2(found[both] / wanted[both]))
    assert moved == pytest.approx(200, abs=20)


def test_a_second_voice_separates_nothing_and_what_is_there_is_left_alone(
    home: Path, tmp_path: Path
) -> None:
    source = band.write(tmp_path / "song.wav", band.mixed(2.0))
    first = cover(source, tmp_path / "o", keep_stems=False)
    again = cover(source, tmp_path / "o", keep_stems=False, overwrite=True, pitch=12)
    assert (first["from_cache"], again["from_cache"]) == (False, True)
    assert cover(source, tmp_path / "o", keep_stems=False)["skipped"]
    assert [f.name for f in (tmp_path / "o").iterdir()] == ["song (demo).wav"]


def test_mixing_again_converts_nothing(home: Path, tmp_path: Path) -> None:
    source = band.write(tmp_path / "song.wav", band.mixed(2.0))
    first = cover(source, tmp_path / "o", acapella=True, bit_depth=32, ceiling=0.0)
    again = cover(
        source,
        tmp_path / "o",
        acapella_path=Path(first["acapella"]),
        accompaniment_gain=-60.0,
        overwrite=True,
        bit_depth=32,
        ceiling=0.0,
    )
    assert again["acapella"] == first["acapella"]
    alone, mix_of_both = heard(first["acapella"]), heard(again["output_path"])
    assert band.level(mix_of_both - alone) < 0.02 * band.level(alone)


def test_formats_that_cannot_hold_the_rate_take_the_next_one(home: Path, tmp_path: Path) -> None:
    wave = soxr.resample(band.mixed(2.0), RATE, 96000).astype(np.float32)
    source = band.write(tmp_path / "song.wav", wave, 96000)
    made = cover(source, tmp_path / "o", export_format="MP3", keep_stems=False)
    info = soundfile.info(made["output_path"])
    assert (info.samplerate, info.channels) == (48000, 2)
    assert info.duration == pytest.approx(2.0, abs=0.1)


def test_stems_that_do_not_fit_are_refused(home: Path, tmp_path: Path) -> None:
    source = band.write(tmp_path / "song.wav", band.mixed(2.0))
    short = band.write(tmp_path / "v.wav", band.mixed(1.0))
    with pytest.raises(BadInput, match=r"v\.wav.*does not fit"):
        cover(source, tmp_path / "o", vocals_path=short)
    with pytest.raises(BadInput, match="cannot belong to 2 songs"):
        cover(tmp_path, tmp_path / "o", vocals_path=short)


def test_leaving_the_key_is_said(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(BadInput):
        cover(tmp_path / "none.wav", tmp_path / "o", pitch=5)
    assert "leaves the song's key" in caplog.text


def test_short_breaks_belong_to_the_voice_and_long_ones_do_not() -> None:
    powers = np.full((300, 1), 0.01)
    powers[50:70] = powers[150:200] = 1e-8  # 0.2 s, 0.5 s
    mask = mix.sung(powers, -40.0)
    assert mask[50:70].min() == 1
    assert mask[160:190].max() == 0
    assert not mix.sung(np.zeros((10, 2)), -40.0).any()


@pytest.mark.parametrize(("backing", "kept"), [("keep", 1.0), ("drop", 0.0)])
def test_backing_voices_stay_or_go(
    home: Path, tmp_path: Path, parts: tuple[np.ndarray, np.ndarray], backing: str, kept: float
) -> None:
    """With a network that takes half of the voice for the lead; nothing is converted."""
    voice, music = (part[: 2 * RATE] for part in parts)
    half = halving(tmp_path)
    made = cover(
        band.write(tmp_path / "song.wav", voice + music),
        tmp_path / "o",
        vocals_path=band.write(tmp_path / "v.wav", voice),
        acapella_path=band.write(tmp_path / "a.wav", np.zeros_like(voice)),
        lead_file=half,
        backing=backing,
        backing_gain=-6.0206,
    )
    left = heard(made["output_path"]) - music
    assert band.level(left) == pytest.approx(kept * band.level(voice) / 4, rel=0.1, abs=1e-3)


def test_backing_voices_are_converted_on_request(
    home: Path, tmp_path: Path, parts: tuple[np.ndarray, np.ndarray]
) -> None:
    voice, music = (part[: 2 * RATE] for part in parts)
    source = band.write(tmp_path / "song.wav", voice + music)
    vocals = band.write(tmp_path / "v.wav", voice)
    half = halving(tmp_path)
    given: dict[str, Any] = {"vocals_path": vocals, "lead_file": half, "acapella": True}
    alone = [
        heard(cover(source, tmp_path / kind, backing=kind, **given)["acapella"])
        for kind in ("drop", "convert")
    ]
    assert band.level(alone[1]) > 1.3 * band.level(alone[0])


def test_without_its_room_the_song_stays_where_nobody_sings(
    home: Path, tmp_path: Path, parts: tuple[np.ndarray, np.ndarray]
) -> None:
    voice, music = (part[2 * RATE :] for part in parts)
    noise = np.random.default_rng(4).standard_normal(voice.shape)
    voice = voice + np.asarray(band.level(voice) / 1000 * noise, np.float32)
    half = halving(tmp_path)
    made = cover(
        band.write(tmp_path / "song.wav", voice + music),
        tmp_path / "o",
        vocals_path=band.write(tmp_path / "v.wav", voice),
        acapella_path=band.write(tmp_path / "a.wav", np.zeros_like(voice)),
        dereverb_file=half,
        ceiling=0.0,
    )
    result = heard(made["output_path"])
    assert np.abs(result[-RATE:] - (voice + music)[-RATE:]).max() < 3 / 2**15
    sung = slice(RATE // 2, RATE)  # lead and room are gone
    assert band.level((result - music)[sung]) < 0.01 * band.level(voice[sung])


def test_refinements_need_a_voice(home: Path, tmp_path: Path) -> None:
    source = band.write(tmp_path / "song.wav", band.mixed(1.0))
    with pytest.raises(BadInput, match="only the accompaniment is given"):
        cover(source, tmp_path / "o", accompaniment_path=source, lead=True)


def test_a_stop_keeps_what_is_done_and_the_next_run_goes_on(home: Path, tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for name in "ab":
        band.write(songs / f"{name}.wav", band.mixed(1.0) * (1.0 if name == "a" else 0.5))

    def stop(done: float, total: float, note: str = "") -> None:
        if done >= 1 and note == "Writing":
            raise Cancelled("Stopped.")

    p = Cover(
        input_path=songs,
        output_folder=tmp_path / "o",
        pth_path=VOICE,
        f0_method="swift-f0",
        gpu="-",
        keep_stems=False,
    )
    with pytest.raises(Cancelled) as stopped:
        tasks.run("cover", p, stop)
    done = stopped.value.result or {}
    assert [Path(each["file"]).name for each in done["covers"]] == ["a.wav"]
    assert [f.name for f in (tmp_path / "o").iterdir()] == ["a (demo).wav"]
    first, second = tasks.run("cover", p)["covers"]
    assert (first["skipped"], second["skipped"], second["from_cache"]) == (True, False, True)
    assert not list((home / ".cache" / "songs").iterdir())
