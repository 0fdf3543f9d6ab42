"""A damaged file gives its right length, a named loss or a sentence: never silence about it."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc.audio import Account, io
from rvc.errors import BadInput
from tests.audio import damage

FRAME_S = 0.035  # of the longest frame that may be lost beside the 1 %
PADDED_S = 0.1  # that is no longer known to be padding once a header is damaged
MANY, FEW = 200, 8


def read(path: Path) -> tuple[np.ndarray, int, Account]:
    """(mixed wave, rate, account) of a file."""
    account = Account()
    wave, rate = io.load(path, account=account)
    return wave, rate, account


def loudest_hz(wave: np.ndarray, rate: int) -> float:
    """Of the last second."""
    end = wave[-rate:]
    return float(np.abs(np.fft.rfft(end)).argmax() * rate / len(end))


def tone(seconds: float, hz: float = 440.0, rate: int = 44100) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)[:, None]


def outcome(name: str, good_s: float, path: Path, seed: int) -> str:
    """What became of a damaged file; "silent" is the one that must not be."""
    account = Account()
    try:
        found_s = sum(len(b.wave) / b.rate for b in io.blocks(path, account=account))
    except BadInput as error:
        return "refused" if str(path) in error.message else "refused without its name"
    more = damage.DAMAGES[seed % len(damage.DAMAGES)] in (damage.inserted, damage.repeated)
    missing_s = good_s - found_s
    if account.sentences():
        return "named"
    if missing_s <= 0.01 * good_s + FRAME_S and (more or -missing_s <= 0.01 * good_s + PADDED_S):
        return "right"
    return "silent"


def damaged_files(name: str, folder: Path, count: int) -> tuple[Counter[str], list[int]]:
    """Outcomes of so many damages, and the seeds of those that went unsaid."""
    path = folder / "damaged"
    damage.write(name, path)
    good = path.read_bytes()
    good_s = sum(len(b.wave) / b.rate for b in io.blocks(path))
    counts: Counter[str] = Counter()
    unsaid = []
    for seed in range(count):
        path.write_bytes(damage.damaged(good, seed))
        counts[found := outcome(name, good_s, path, seed)] += 1
        if found in ("silent", "refused without its name"):
            unsaid.append(seed)
    return counts, unsaid


@pytest.mark.parametrize("name", damage.FORMATS)
def test_no_damage_is_silent(name: str, tmp_path: Path) -> None:
    counts, unsaid = damaged_files(name, tmp_path, FEW)
    assert not unsaid, counts


# Bytes that are a whole number of frames leave no trace in a stream without any count of them.
TRACELESS = {"mp3vbr": 1, "amr": 2}


@pytest.mark.fuzz
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", damage.FORMATS)
def test_of_two_hundred_damages_none_is_silent(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "fuzz" not in request.config.option.markexpr:
        pytest.skip("-m fuzz runs it")
    counts, unsaid = damaged_files(name, tmp_path, MANY)
    print(name, dict(counts), unsaid)
    assert len(unsaid) <= TRACELESS.get(name, 0)


@pytest.mark.parametrize("name", damage.FORMATS)
def test_a_sound_file_raises_no_alarm(name: str, tmp_path: Path) -> None:
    damage.write(name, tmp_path / "good")
    wave, rate, account = read(tmp_path / "good")
    assert account.sentences() == []
    assert len(wave) / rate == pytest.approx(damage.SECONDS, abs=0.06)


def joined(name: str, path: Path, lengths_s: tuple[float, ...]) -> None:
    """Files of one format in a row."""
    data = b""
    for seconds in lengths_s:
        damage.write(name, path, seconds)
        data += path.read_bytes()
    path.write_bytes(data)


@pytest.mark.parametrize("name", sorted(damage.FORMATS))
def test_joined_files_are_read_to_the_end(name: str, tmp_path: Path) -> None:
    joined(name, tmp_path / "joined", (1.0, 2.0))
    wave, rate, _ = read(tmp_path / "joined")
    assert len(wave) / rate == pytest.approx(3.0, abs=0.1)
    assert not io.info(tmp_path / "joined").exact


KNOWN = "wav16 adpcm aiff au w64 caf flac m4a alac mov wavpack tta amr flv mp2 ac3"


@pytest.mark.parametrize("name", KNOWN.split())
def test_a_joined_file_is_as_long_beforehand_as_it_reads(name: str, tmp_path: Path) -> None:
    joined(name, tmp_path / "joined", (1.0, 2.0, 1.0))
    wave, rate, _ = read(tmp_path / "joined")
    assert io.info(tmp_path / "joined").seconds == pytest.approx(len(wave) / rate, abs=0.1)


def test_equal_parts_and_tags_between_do_not_hide_that_flac_is_joined(tmp_path: Path) -> None:
    damage.write("flac", tmp_path / "part", 1.0)
    part, tag = (tmp_path / "part").read_bytes(), b"ID3\4\0\0\0\0\0\x0a" + bytes(10)
    for data in (part + part, tag + part + tag + part):
        (tmp_path / "a").write_bytes(data)
        head = io.info(tmp_path / "a")
        assert (head.frames, head.exact) == (2 * 44100, False)
        last = np.concatenate([b.wave for b in io.blocks(tmp_path / "a", start=66150)])
        whole, _, account = read(tmp_path / "a")
        np.testing.assert_array_equal(last, whole[66150:])
        assert account.sentences() == []
    (tmp_path / "a").write_bytes(tag + part)
    assert io.info(tmp_path / "a").exact


@pytest.mark.parametrize("made", ["soundfile", "av"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("rate", "frames"), [(44100, 200_001), (8000, 20_480), (37800, 50_000)])
def test_flac_is_exact_only_where_its_last_frame_agrees(
    made: str, channels: int, rate: int, frames: int, tmp_path: Path
) -> None:
    path, wave = tmp_path / "a.flac", damage.song(frames / rate, rate, channels)
    if made == "av":
        damage.encode(path, "flac", "flac", wave, rate)
    else:
        soundfile.write(path, wave, rate)
    assert (io.info(path).frames, io.info(path).exact) == (frames, True)
    data = bytearray(path.read_bytes())
    data[25] ^= 1
    path.write_bytes(data)
    assert (io.info(path).frames, io.info(path).exact) == (frames, False)
    data[25] ^= 1
    path.write_bytes(data[: len(data) // 2])
    head = io.info(path)
    assert not head.exact
    assert head.frames == pytest.approx(len(read(path)[0]), abs=4608)


def test_chained_opus_of_other_lengths_is_read_to_its_end(tmp_path: Path) -> None:
    for lengths in ((3.0, 1.0), (1.0, 3.0), (1.0, 1.0, 1.0)):
        joined("opus", tmp_path / "a", lengths)
        wave, rate, account = read(tmp_path / "a")
        assert len(wave) / rate == pytest.approx(sum(lengths), abs=0.05)
        assert account.sentences() == []
        assert not io.info(tmp_path / "a").exact


@pytest.mark.parametrize("frames", [10, 0, 0xFFFFFF])
def test_a_wrong_number_of_frames_in_mp3_is_not_believed(frames: int, tmp_path: Path) -> None:
    damage.write("mp3", tmp_path / "a", 3.0)
    data = bytearray((tmp_path / "a").read_bytes())
    at = max(data.find(b"Xing"), data.find(b"Info"))
    data[at + 8 : at + 12] = struct.pack(">I", frames)
    (tmp_path / "a").write_bytes(data)
    wave, rate, account = read(tmp_path / "a")
    assert len(wave) / rate == pytest.approx(3, abs=0.1)
    assert bool(account.losses) == (frames > 1000)
    assert not io.info(tmp_path / "a").exact


def test_a_rare_format_that_holds_more_than_it_says_is_named(tmp_path: Path) -> None:
    for seconds in (1.0, 2.0):
        soundfile.write(tmp_path / "part", tone(seconds)[:, 0], 44100, format="MAT4")
        with (tmp_path / "joined").open("ab") as file:
            file.write((tmp_path / "part").read_bytes())
    assert read(tmp_path / "part")[2].sentences() == []
    assert io.info(tmp_path / "part").exact
    [loss] = read(tmp_path / "joined")[2].losses
    assert loss.at_s == 1
    assert not io.info(tmp_path / "joined").exact


def test_alac_in_caf_joined(tmp_path: Path) -> None:
    for seconds in (1.0, 2.0, 1.0):
        soundfile.write(tmp_path / "p", tone(seconds)[:, 0], 44100, "ALAC_16", format="CAF")
        with (tmp_path / "joined").open("ab") as file:
            file.write((tmp_path / "p").read_bytes())
    assert len(read(tmp_path / "joined")[0]) == 4 * 44100


def test_joined_mp3_ends_with_the_second_part_and_without_padding(tmp_path: Path) -> None:
    parts = []
    for seconds, hz in ((3.0, 440.0), (5.0, 880.0)):
        damage.encode(tmp_path / "p", "mp3", "libmp3lame", tone(seconds, hz), 44100)
        parts.append((tmp_path / "p").read_bytes())
    tag = b"TAG" + bytes(125) + b"ID3\3\0\0\0\0\0\x11TIT2\0\0\0\x07\0\0\0second"
    for between in (b"", tag):
        (tmp_path / "joined").write_bytes(between.join(parts))
        wave, rate, account = read(tmp_path / "joined")
        assert len(wave) == 8 * 44100
        assert loudest_hz(wave, rate) == 880
        assert account.sentences() == []


@pytest.mark.parametrize("loud_first", [True, False])
def test_variable_bit_rate_without_a_header_is_read_to_its_end(
    loud_first: bool, tmp_path: Path
) -> None:
    noise = 0.2 * np.random.default_rng(0).standard_normal((4 * 44100, 1))
    parts = [noise, np.zeros((7 * 44100, 1)), tone(1, 880)]
    wave = np.concatenate(parts if loud_first else [parts[1], parts[0], parts[2]])
    quality = {"global_quality": "236", "flags": "+qscale"}
    damage.encode(
        tmp_path / "v", "mp3", "libmp3lame", wave.astype("f4"), 44100, {"write_xing": "0"}, quality
    )
    found, rate, _ = read(tmp_path / "v")
    assert len(found) / rate == pytest.approx(12, abs=0.1)
    assert loudest_hz(found, rate) == 880
    assert not io.info(tmp_path / "v").exact


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "AU", "RF64", "AIFF", "W64", "CAF"])
@pytest.mark.parametrize("size", [b"\0", b"\xff"])
def test_sizes_that_nobody_filled_in(form: str, size: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    soundfile.write(path, tone(3)[:, 0], 44100, "PCM_16", format=form)
    data = bytearray(path.read_bytes())
    places = {
        "WAV": [(b"RIFF", 4, 4), (b"data", 4, 4)],
        "WAVEX": [(b"RIFF", 4, 4), (b"data", 4, 4)],
        "AU": [(b".snd", 8, 4)],
        "RF64": [(b"ds64", 8, 24)],
        "AIFF": [(b"FORM", 4, 4), (b"COMM", 10, 4), (b"SSND", 4, 4)],
        "W64": [(b"data", 16, 8)],
        "CAF": [(b"data", 4, 8)],
    }
    for word, offset, count in places[form]:
        at = data.index(word) + offset
        data[at : at + count] = size * count
    path.write_bytes(data)
    wave, rate, account = read(path)
    assert len(wave) / rate == pytest.approx(3, abs=0.01)
    assert loudest_hz(wave, rate) == 440
    assert any("no length" in note for note in account.notes) or form in ("AIFF", "RF64")


def test_a_header_without_sound_stays_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0, np.float32), 44100)
    with pytest.raises(BadInput, match="length is zero"):
        io.load(tmp_path / "a.wav")


def test_flac_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(3)[:, 0], 44100)
    data = bytearray(path.read_bytes())
    for last in (0, 0xFF):
        data[21] = data[21] & 0xF0 | last & 0x0F
        data[22:26] = bytes([last]) * 4
        path.write_bytes(data)
        wave, rate, _ = read(path)
        assert len(wave) == 3 * rate
        head = io.info(path)
        assert not head.exact or head.seconds < 10


@pytest.mark.parametrize("wrapped", [True, False])
def test_beyond_four_gigabytes(wrapped: bool, tmp_path: Path) -> None:
    size = 4400 << 20
    said = (size - 44) % 2**32 if wrapped else 0xFFFFFFFF
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", 16, 1, 1,
                       48000, 96000, 2, 16, b"data", said)  # fmt: skip
    path = tmp_path / "a.wav"
    path.write_bytes(head)
    os.truncate(path, size)
    assert io.info(path).seconds == pytest.approx(48059.73, abs=0.01)
    end = round(48059 * 48000)
    last = list(io.blocks(path, start=end))
    assert sum(len(block.wave) for block in last) == (size - 44) // 2 - end


@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_an_odd_chunk_with_and_without_its_pad_byte(pad: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(3)[:, 0], 44100)
    data = path.read_bytes()
    at, text = data.index(b"data"), b"Recorder 10"
    body = b"INFOISFT" + struct.pack("<I", len(text)) + text
    made = data[:at] + b"LIST" + struct.pack("<I", len(body)) + body + pad + data[at:]
    path.write_bytes(made[:4] + struct.pack("<I", len(made) - 8) + made[8:])
    wave, rate, account = read(path)
    assert len(wave) == 3 * rate
    assert account.sentences() == []


@pytest.mark.parametrize("mono_first", [True, False])
def test_the_number_of_channels_changes(mono_first: bool, tmp_path: Path) -> None:
    parts = []
    for wave in (tone(3), np.repeat(tone(5, 880), 2, axis=1)):
        damage.encode(tmp_path / "p", "adts", "aac", wave, 44100)
        parts.append((tmp_path / "p").read_bytes())
    (tmp_path / "a.aac").write_bytes(b"".join(parts if mono_first else parts[::-1]))
    wave, rate, account = read(tmp_path / "a.aac")
    assert len(wave) / rate == pytest.approx(8, abs=0.1)
    assert loudest_hz(wave, rate) == (880 if mono_first else 440)
    assert any("channel(s)" in note for note in account.notes)
    both = np.concatenate([b.wave for b in io.blocks(tmp_path / "a.aac", mono=False)])
    assert both.shape[1] == (1 if mono_first else 2)


def test_the_rate_changes(tmp_path: Path) -> None:
    parts = []
    for rate, hz in ((44100, 440.0), (22050, 880.0)):
        damage.encode(tmp_path / "p", "mp3", "libmp3lame", tone(3, hz, rate), rate)
        parts.append((tmp_path / "p").read_bytes())
    (tmp_path / "a.mp3").write_bytes(b"".join(parts))
    wave, rate, account = read(tmp_path / "a.mp3")
    assert rate == 44100
    assert len(wave) / rate == pytest.approx(6, abs=0.1)
    assert loudest_hz(wave, rate) == pytest.approx(880, abs=1)
    assert any("22050 Hz" in note for note in account.notes)


def two_tracks(path: Path, default: int) -> None:
    """A film with 220 Hz on its first track and 880 Hz on its second."""
    import av

    with av.open(str(path), "w", format="matroska") as film:
        tracks = [film.add_stream("flac", rate=48000, layout="mono") for _ in range(2)]
        tracks[1 - default].disposition = av.stream.Disposition(0)
        tracks[default].disposition = av.stream.Disposition.default
        for track, hz in zip(tracks, (220, 880), strict=True):
            wave = (9000 * np.sin(2 * np.pi * hz * np.arange(3 * 48000) / 48000)).astype("i2")
            for at in range(0, len(wave), 4608):
                piece = wave[None, at : at + 4608].copy()
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48000, at
                film.mux(track.encode(frame))
            film.mux(track.encode(None))


@pytest.mark.parametrize(("default", "hz"), [(0, 220), (1, 880)])
def test_the_default_track_is_read_and_named(default: int, hz: float, tmp_path: Path) -> None:
    two_tracks(tmp_path / "film.mkv", default)
    wave, rate, account = read(tmp_path / "film.mkv")
    assert loudest_hz(wave, rate) == hz
    assert any(f"track {default + 1} of 2" in note for note in account.notes)


@pytest.mark.parametrize(("track", "hz"), [(1, 220), (2, 880)])
def test_another_track_can_be_asked_for(track: int, hz: float, tmp_path: Path) -> None:
    two_tracks(tmp_path / "film.mkv", 2 - track)
    account = Account()
    wave, rate = io.load(tmp_path / "film.mkv", account=account, track=track)
    assert loudest_hz(wave, rate) == hz
    [note] = account.notes
    assert f"track {track} of 2, as asked" in note
    assert "1: mono, flac; 2: mono, flac" in note
    last = list(io.blocks(tmp_path / "film.mkv", start=2 * rate, track=track))
    np.testing.assert_array_equal(np.concatenate([b.wave for b in last]), wave[2 * rate :])


@pytest.mark.parametrize("name", damage.FORMATS)
def test_a_track_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    damage.write(name, path)
    np.testing.assert_array_equal(io.load(path, track=1)[0], io.load(path)[0])
    for read_it in (io.info, io.load):
        with pytest.raises(BadInput, match="has 1 audio track, there is no track 2") as told:
            read_it(path, track=2)
        assert str(path) in told.value.message


def test_the_tracks_of_a_film_are_named(tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    two_tracks(film, 0)
    with pytest.raises(BadInput, match="has 2 audio tracks, there is no track 3") as told:
        io.load(film, track=3)
    assert "1: mono, flac; 2: mono, flac" in (told.value.hint or "")


def with_hole(path: Path, form: str, codec: str, rate: int) -> None:
    """3 s of sound whose time stamps jump by 2 s after the first second."""
    import av

    wave = tone(3, 440, rate)
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wave.T), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = rate, 0
        packets: list[av.Packet[av.AudioStream]] = []
        for given in (frame, None):
            for piece in resampler.resample(given):
                packets += stream.encode(piece)
        packets += stream.encode(None)
        for packet in packets:
            assert packet.pts is not None
            if packet.pts * packet.time_base >= 1:
                packet.pts += round(2 / packet.time_base)
                packet.dts = packet.pts
            container.mux(packet)


@pytest.mark.parametrize(
    ("form", "codec", "rate"),
    [("matroska", "flac", 44100), ("webm", "libopus", 48000), ("matroska", "aac", 44100)],
)
def test_a_hole_in_the_time_stamps_is_silence_and_named(
    form: str, codec: str, rate: int, tmp_path: Path
) -> None:
    with_hole(tmp_path / "a", form, codec, rate)
    wave, rate, account = read(tmp_path / "a")
    assert len(wave) / rate == pytest.approx(5, abs=0.1)
    assert np.abs(wave[round(1.2 * rate) : round(2.8 * rate)]).max() < 1e-3
    assert np.abs(wave[round(3.3 * rate) : round(4.8 * rate)]).max() > 0.2
    [loss] = account.losses
    assert loss.at_s == pytest.approx(1, abs=0.1)
    assert loss.seconds == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    ("form", "codec"), [("ipod", "aac"), ("adts", "aac"), ("mp3", "libmp3lame")]
)
def test_damage_in_the_middle_costs_no_more_than_itself(
    form: str, codec: str, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    damage.encode(path, form, codec, tone(6), 44100)
    good = len(read(path)[0])
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 1000] = np.random.default_rng(1).bytes(1000)
    path.write_bytes(data)
    wave, rate, account = read(path)
    assert len(wave) / rate == pytest.approx(good / rate, abs=0.05)
    assert loudest_hz(wave, rate) == 440
    assert all(loss.at_s == pytest.approx(3, abs=0.3) for loss in account.losses)
    assert account.losses


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [50, 30_000])
def test_damaged_flac_keeps_its_length(seed: int, count: int, tmp_path: Path) -> None:
    """Also where a frame's header is gone and several frames come as one packet."""
    path = tmp_path / "a.flac"
    damage.write("flac", path, 3.0)
    whole = read(path)[0]
    data = bytearray(path.read_bytes())
    at = len(data) // 4 + 7000 * seed
    data[at : at + count] = np.random.default_rng(seed).bytes(count)
    path.write_bytes(data)
    wave, _, account = read(path)
    assert len(wave) == 3 * 44100
    assert account.losses
    assert all(0.5 < loss.at_s < 2.6 for loss in account.losses)
    np.testing.assert_array_equal(wave[-22050:], whole[-22050:])


@pytest.mark.parametrize(
    ("name", "mark"), [("flac", b"\xff\xf8"), ("mkv", b"\xff\xf8"), ("m4a", b"mdat")]
)
def test_a_damaged_beginning_moves_nothing(name: str, mark: bytes, tmp_path: Path) -> None:
    damage.write(name, tmp_path / "a", 3.0)
    whole, rate, _ = read(tmp_path / "a")
    data = bytearray((tmp_path / "a").read_bytes())
    first = data.index(mark)
    data[first + 8 : first + 1200] = np.random.default_rng(1).bytes(1192)
    (tmp_path / "a").write_bytes(data)
    wave, _, account = read(tmp_path / "a")
    assert len(wave) == pytest.approx(len(whole), abs=0.03 * rate)
    assert account.losses
    assert account.losses[0].at_s < 0.2
    parts = whole[rate : 2 * rate], wave[rate - rate // 20 : 2 * rate + rate // 20]
    lag = int(np.correlate(parts[1], parts[0], "valid").argmax()) - rate // 20
    assert abs(lag) < 0.03 * rate


def cut(make: Callable[[Path], None], path: Path, share: float) -> Account:
    make(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    wave, rate, account = read(path)
    assert len(wave) / rate == pytest.approx(3 * share, abs=0.15)
    return account


@pytest.mark.parametrize(
    "name", ["wav16", "aiff", "au", "w64", "caf", "flac", "mp3", "webm", "mkv"]
)
def test_what_a_broken_download_lacks_is_named(name: str, tmp_path: Path) -> None:
    account = cut(lambda path: damage.write(name, path, 3.0), tmp_path / "a", 0.5)
    assert account.losses
    missing = [loss.seconds for loss in account.losses if loss.seconds is not None]
    assert sum(missing) == pytest.approx(1.5, abs=0.2)


def test_the_end_of_the_ending_does_not_matter(tmp_path: Path) -> None:
    damage.write("flac", tmp_path / "a.wav")
    damage.write("mp3", tmp_path / "b.flac")
    damage.write("wav16", tmp_path / "c.mp3")
    for path in sorted(tmp_path.iterdir()):
        wave, rate, _ = read(path)
        assert len(wave) / rate == pytest.approx(damage.SECONDS, abs=0.01)
