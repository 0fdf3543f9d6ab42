"""A song is told apart as well as was measured, and its stems add up to it bit for bit."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from rvc import tasks
from rvc.errors import BadInput, Cancelled, Mismatch, MissingModel, StageFailed
from rvc.nets import unet
from rvc.params import Separate
from rvc.separation import models
from rvc.separation.chunks import Chunks
from tests import hostile
from tests.nets.test_roformer import weights
from tests.songs import band

RATE = band.RATE


def told_apart(song: np.ndarray, size: int = 1 << 30) -> np.ndarray:
    """The voice of a song (T, 2) given in pieces of `size` samples."""
    power = float(np.mean(np.square(song, dtype=np.float64)))
    pieces = (song[i : i + size] for i in range(0, len(song), size))
    return np.concatenate(list(models.load().voice(pieces, power)))


def test_voice_and_band_are_told_apart_whatever_the_level() -> None:
    voice, music = band.song()
    song = voice + music
    found = told_apart(song)
    assert found.shape == song.shape
    assert band.si_sdr(found, voice) >= 10
    assert band.si_sdr(song - found, music) >= 10
    quiet = told_apart(song / 100)
    assert band.si_sdr(quiet, voice) == pytest.approx(band.si_sdr(found, voice), abs=0.1)


def test_a_voice_below_the_band_is_found_too() -> None:
    voice, music = band.song(voice_db=-6)
    found = told_apart(voice + music)
    assert band.si_sdr(found, voice) >= 7.5
    assert band.si_sdr(voice + music - found, music) >= 13.5


def test_bytes_do_not_depend_on_how_the_song_is_cut() -> None:
    song = band.mixed(14.0)
    assert np.array_equal(told_apart(song, 7777), told_apart(song))


def test_music_alone_has_no_voice_and_speech_alone_no_music() -> None:
    music = band.band(6.0) / 4
    assert band.level(told_apart(music)) < band.level(music) * 10 ** (-60 / 20)
    spoken = np.repeat(band.speech(6.0)[:, None], 2, axis=1)
    assert band.level(spoken - told_apart(spoken)) < band.level(spoken) * 10 ** (-20 / 20)
    assert not told_apart(np.zeros((RATE, 2), np.float32)).any()


def test_a_voice_above_what_the_networks_hear_is_kept() -> None:
    voice, music = band.song()
    rng = np.random.default_rng(3)
    breath = rng.standard_normal((len(voice),))
    follow = np.convolve(np.abs(voice[:, 0]), np.ones(1024) / 1024, "same")
    spectrum = np.fft.rfft(breath * follow)
    spectrum[: int(11500 * len(breath) / RATE)] = 0
    high = np.fft.irfft(spectrum, len(breath))
    high *= 0.1 * band.level(voice) / band.level(high)
    voice = np.asarray(voice + high[:, None], np.float32)

    def above(wave: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(wave, axis=0)
        spectrum[: int(11500 * len(wave) / RATE)] = 0
        return np.asarray(np.fft.irfft(spectrum, len(wave), axis=0))

    found = told_apart(voice + music)
    assert band.si_sdr(above(found), above(voice)) > 0  # zeros, as published, would be below -9


@pytest.mark.parametrize(
    ("rate", "channels", "subtype", "frames"),
    [
        (44100, 2, "PCM_16", 3 * 44100 + 17),
        (44100, 1, "PCM_24", 44100),
        (48000, 2, "PCM_24", 2 * 48000 + 1),
        (22050, 1, "PCM_16", 22050),
        (44100, 2, "PCM_16", 1),
        (8000, 2, "PCM_16", 1023),
    ],
)
def test_the_files_add_up_to_the_song(
    home: Path, tmp_path: Path, rate: int, channels: int, subtype: str, frames: int
) -> None:
    rng = np.random.default_rng(frames)
    wave = np.clip(0.4 * rng.standard_normal((frames, channels)), -1, 1)
    source = band.write(tmp_path / "song.wav", wave, rate, subtype)
    made = tasks.run("separate", Separate(input_path=source, output_folder=tmp_path, gpu="-"))
    song, _ = soundfile.read(source, dtype="int32", always_2d=True)
    parts = [
        soundfile.read(made[stem], dtype="int32", always_2d=True)
        for stem in ("vocals", "accompaniment")
    ]
    assert [part_rate for _, part_rate in parts] == [rate, rate]
    # whole numbers of 24 bits lie in the upper bits of 32
    assert np.array_equal(sum(part.astype(np.int64) for part, _ in parts), song)


def test_the_second_time_nothing_is_separated(home: Path, tmp_path: Path) -> None:
    source = band.write(tmp_path / "song.wav", band.mixed(2.0))
    first = tasks.run("separate", Separate(input_path=source, output_folder=tmp_path / "a"))
    other = tmp_path / "the same song.flac"
    soundfile.write(other, *soundfile.read(source))
    again = tasks.run("separate", Separate(input_path=other, output_folder=tmp_path / "b"))
    assert (first["from_cache"], again["from_cache"]) == (False, True)
    kept = [soundfile.read(made["vocals"])[0] for made in (first, again)]
    assert np.array_equal(*kept)
    skipped = tasks.run("separate", Separate(input_path=other, output_folder=tmp_path / "b"))
    assert skipped["skipped"]
    changed = band.write(tmp_path / "changed.wav", band.mixed(2.0) * 0.9)
    new = tasks.run("separate", Separate(input_path=changed, output_folder=tmp_path / "a"))
    assert not new["from_cache"]


def test_one_stem_can_be_had_alone(home: Path, tmp_path: Path) -> None:
    source = band.write(tmp_path / "s.wav", band.mixed(1.0))
    p = Separate(
        input_path=source, output_folder=tmp_path / "o", stems="accompaniment", export_format="WAV"
    )
    made = tasks.run("separate", p)
    assert [f.name for f in (tmp_path / "o").iterdir()] == ["s (accompaniment).wav"]
    assert soundfile.info(made["accompaniment"]).subtype == "FLOAT"


def test_a_folder_goes_on_past_what_is_no_song(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    band.write(songs / "a.wav", band.mixed(1.0))
    (songs / "b.wav").write_bytes(b"no sound at all" * 99)
    with caplog.at_level(logging.CRITICAL), pytest.raises(StageFailed, match=r"1 of 2.*b\.wav"):
        tasks.run("separate", Separate(input_path=songs, output_folder=tmp_path / "o"))
    assert sorted(f.name for f in (tmp_path / "o").iterdir()) == [
        "a (accompaniment).flac",
        "a (vocals).flac",
    ]


def test_a_stop_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    source = band.write(tmp_path / "s.wav", band.mixed(1.0))

    def stop(done: float, total: float, note: str = "") -> None:
        if note == "Separating":
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        tasks.run("separate", Separate(input_path=source, output_folder=tmp_path / "o"), stop)
    assert not (tmp_path / "o").exists()
    assert not [f for f in home.rglob("*") if f.is_file() and "stems" in str(f)]


def test_what_is_no_song_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        tasks.run("separate", Separate(input_path=tmp_path / "none.wav"))
    with pytest.raises(BadInput, match="holds no song"):
        tasks.run("separate", Separate(input_path=tmp_path))


def test_other_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"\xff" * 64)
    with pytest.raises(Mismatch, match="damaged"):
        unet.load(file)


def test_networks_that_hear_sound_get_it_in_chunks() -> None:
    song = band.mixed(2.0)
    for size in (1000, len(song)):
        pieces = (song[i : i + size] for i in range(0, len(song), size))
        half = Chunks(lambda wave: wave / 2, chunk=30_000)
        found = np.concatenate(list(half.voice(pieces)))
        assert np.abs(found - song / 2).max() < 1e-6


def test_a_checkpoint_of_ones_own_separates(home: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "mine.ckpt"
    torch.save({"state_dict": weights("mel")}, checkpoint)
    checkpoint.with_suffix(".yaml").write_text("model:\n  stft_hop_length: 512\n")
    source = band.write(tmp_path / "s.wav", band.mixed(1.0))
    p = Separate(input_path=source, output_folder=tmp_path / "o", model_file=checkpoint, gpu="-")
    made = tasks.run("separate", p)
    parts = [soundfile.read(made[s], dtype="int32")[0] for s in ("vocals", "accompaniment")]
    assert np.array_equal(sum(parts), soundfile.read(source, dtype="int32")[0])
    assert models.load(file=checkpoint).digest != models.load().digest


def test_a_checkpoint_that_would_run_code_is_refused(home: Path, tmp_path: Path) -> None:
    hostile.system(tmp_path / "bad.ckpt", tmp_path / "mark")
    source = band.write(tmp_path / "s.wav", band.mixed(1.0))
    with pytest.raises(BadInput, match="refused"):
        tasks.run("separate", Separate(input_path=source, model_file=tmp_path / "bad.ckpt"))
    assert not (tmp_path / "mark").exists()


def test_offline_a_model_that_is_not_here_is_said_to_be_missing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVC_OFFLINE", "1")
    source = band.write(tmp_path / "s.wav", band.mixed(1.0))
    with pytest.raises(MissingModel, match="bs-roformer-317"):
        tasks.run("separate", Separate(input_path=source, model="bs-roformer-317"))
