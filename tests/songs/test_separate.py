"""A song is told apart as well as was measured, and its stems add up to it bit for bit."""

from __future__ import annotations

import logging
import re
import tracemalloc
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import soxr
import torch

from rvc import tasks
from rvc.errors import BadInput, Cancelled, Mismatch, MissingModel, StageFailed
from rvc.hub import catalog
from rvc.nets import unet
from rvc.params import Separate
from rvc.params.songs import StemModelName
from rvc.separation import models, spectra, stems
from rvc.separation.chunks import Chunks
from rvc.separation.models import SETTINGS
from rvc.songs import separate
from tests import hostile
from tests.nets.test_roformer import weights
from tests.separation.test_mdx import halving
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


def above(wave: np.ndarray, rate: int, hz: float) -> np.ndarray:
    """(T, C) without what lies below a frequency."""
    spectrum = np.fft.rfft(wave, axis=0)
    spectrum[: int(hz * len(wave) / rate)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(wave), axis=0), np.float32)


def test_a_voice_above_what_the_networks_hear_is_kept(tmp_path: Path) -> None:
    """Sibilants reach beyond 11 kHz, where zeros, as published, would be below -9 dB."""
    voice, music = band.song()
    hiss = above(voice[:, :1], RATE, 4000)
    follow = np.convolve(np.abs(hiss[:, 0]), np.hanning(RATE // 100), "same")
    sibilants = above(np.random.default_rng(3).standard_normal(hiss.shape), RATE, 4000)
    sibilants = above(sibilants * follow[:, None], RATE, 4000)
    voice = voice + sibilants * np.float32(band.level(hiss) / band.level(sibilants))
    voice, music = (soxr.resample(each, RATE, 48000) for each in (voice, music))
    source = band.write(tmp_path / "s.wav", 0.9 * (voice + music), 48000, "FLOAT")
    found = np.concatenate(list(stems.separated(stems.scan(source), models.load())))
    assert band.si_sdr(above(found, 48000, 11500), above(voice, 48000, 11500)) >= 4


def test_memory_does_not_grow_with_the_song() -> None:
    """The networks cost what they cost; here they cost nothing."""

    def peak(seconds: int) -> int:
        work = spectra.VoiceStream(lambda m: m / 2, lambda m: m / 2)
        piece = np.random.default_rng(1).standard_normal((RATE, 2)).astype(np.float32) / 9
        tracemalloc.start()
        heard = sum(len(voice) for voice in work.voice(piece for _ in range(seconds)))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert heard == seconds * RATE
        return most

    assert peak(90) <= 1.1 * peak(30)


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
    half = halving(tmp_path)
    with_half = Separate(input_path=source, output_folder=tmp_path / "c", model_file=half)
    assert not tasks.run("separate", with_half)["from_cache"]
    half.with_suffix(".yaml").write_text("n_fft: 2048\ncompensate: 0.4\n")
    assert not tasks.run("separate", with_half.model_copy(update={"overwrite": True}))["from_cache"]


def test_the_bit_rate_decides_the_size(home: Path, tmp_path: Path) -> None:
    source = band.write(tmp_path / "s.wav", band.mixed(4.0))
    sizes = []
    for kbits in (64, 256):
        p = Separate(
            input_path=source,
            output_folder=tmp_path / str(kbits),
            stems="vocals",
            export_format="MP3",
            bitrate=kbits,
        )
        sizes.append(Path(tasks.run("separate", p)["vocals"]).stat().st_size)
    assert sizes[1] / sizes[0] == pytest.approx(4, rel=0.15)


def test_lead_and_room_are_steps_behind_the_first(home: Path, tmp_path: Path) -> None:
    """With networks that keep half of what they hear; lead + backing = voice, dry + room = lead."""
    half = halving(tmp_path)
    source = band.write(tmp_path / "s.wav", band.mixed(1.0))
    p = Separate(
        input_path=source,
        output_folder=tmp_path / "o",
        export_format="WAV",
        lead_file=half,
        dereverb_file=half,
    )
    made = tasks.run("separate", p)
    wave = {s: soundfile.read(made[s], dtype="float32")[0] for s in separate.names_of(p)}
    assert list(wave) == ["vocals", "accompaniment", "lead", "backing", "dry", "room"]
    assert np.array_equal(wave["lead"] + wave["backing"], wave["vocals"])
    assert np.array_equal(wave["dry"] + wave["room"], wave["lead"])
    low = np.abs(np.fft.rfft(wave["vocals"][:, 0]))[:9000].sum()
    for name, share in (("lead", 0.5), ("dry", 0.25)):
        found = np.abs(np.fft.rfft(wave[name][:, 0]))[:9000].sum()
        assert found == pytest.approx(share * low, rel=0.02)
    assert tasks.run("separate", p.model_copy(update={"overwrite": True}))["from_cache"]


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


def test_size_and_licence_are_said_before_a_download(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (*SETTINGS, models.DRY, "bs-roformer-317"):
        with pytest.raises(MissingModel):
            models.load(name)
        assert re.search(rf"{name} \(\d+ MB\) is fetched once. Its licence: (MIT|GPL)", caplog.text)


def test_what_separates_is_named_with_source_checksum_and_licence() -> None:
    offered = {*get_args(StemModelName), models.LEAD, models.DRY} - {"kit"}
    named = {asset.name.split("/")[1]: asset for asset in catalog.under("stems")}
    assert named.keys() == offered
    for asset in named.values():
        assert asset.size
        assert asset.licence
        assert re.fullmatch(r"[0-9a-f]{64}", asset.sha256 or "")
