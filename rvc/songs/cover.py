"""The verb cover: a song in another voice, from one file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from rvc.audio import encode
from rvc.audio.io import Block
from rvc.audio.resample import StreamResampler
from rvc.audio.spool import Spool
from rvc.config import paths
from rvc.device import choose
from rvc.errors import BadInput
from rvc.infer import voice as voices
from rvc.infer.convert import stream
from rvc.params import Cover, Separate
from rvc.progress import Report, silent
from rvc.songs import mix, models, separate, stems
from rvc.songs.mix import Sides
from rvc.songs.separate import Result

LOG = logging.getLogger(__name__)
OCTAVE = 12
MOST_SEMITONES = 24


def run(p: Cover, report: Report = silent) -> Result:
    """Make the cover of one song or of all songs of a folder; what is there is left alone.

    Raises:
        BadInput: no song, or stems that do not belong to it. StageFailed: some songs failed.
    """
    songs = separate.songs_of(p.input_path)
    own = [path for path in (p.vocals_path, p.accompaniment_path) if path is not None]
    if own and len(songs) > 1:
        raise BadInput(f"{own[0]} cannot belong to {len(songs)} songs.", "Give one song.")
    if p.pitch % OCTAVE and not p.key:
        LOG.warning(
            "The voice alone moves by %s semitones and leaves the song's key; --key moves the "
            "accompaniment, too.",
            p.pitch,
        )

    def make(number: int, path: Path) -> Result:
        return _one(path, p, separate.part(report, number, len(songs), "Voice"))

    done = separate.for_each(songs, make, "covers")
    return done | {"message": _sentence(done["covers"])}


def _sentence(done: list[Result]) -> str:
    fresh = [each for each in done if not each["skipped"]]
    if len(fresh) == 1:
        return f"Made a cover of {fresh[0]['seconds']:.1f} s: {fresh[0]['output_path']}."
    already = len(done) - len(fresh)
    more = f" {already} were already there (--overwrite makes them again)." if already else ""
    return f"Made {len(fresh)} covers.{more}"


def _one(path: Path, p: Cover, report: Report) -> Result:
    folder = p.output_folder or paths().audios
    format = encode.format_of(Path(f"x.{p.export_format.lower()}"))
    target = folder / f"{path.stem} ({p.pth_path.stem}).{p.export_format.lower()}"
    if target.exists() and not p.overwrite:
        return {"file": str(path), "output_path": str(target), "skipped": True}
    loaded = voices.load(p.pth_path, p.index_path, p, report)  # a bad voice is told before the work
    scratch = paths().cache / "songs"
    scratch.mkdir(parents=True, exist_ok=True)
    with ExitStack() as open_files:
        song = stems.scan(path, report)
        voice, accompaniment = (
            Sides(song.channels, open_files, scratch) for _ in ("voice", "accompaniment")
        )
        known = _take_apart(song, p, voice, accompaniment, report)
        powers = mix.frame_powers(voice, song.rate)
        mask = mix.sung(powers, p.quiet_below)
        _give_back(song, voice, accompaniment, mask, open_files, scratch)
        wanted = mix.loudness_of(voice, song.rate)
        converted = Sides(song.channels, open_files, scratch)
        for block in _converted(song, voice, loaded, p, powers, report, scratch):
            converted.append(block)
        gain = p.voice_gain
        if p.match_vocals:
            gain += mix.matching_gain_db(wanted, mix.loudness_of(converted, song.rate))
        if p.key:
            mix.shift(
                accompaniment,
                song.rate,
                p.key,
                lambda: open_files.enter_context(Spool(scratch)),
                report,
            )
        folder.mkdir(parents=True, exist_ok=True)
        rate = encode.file_rate(format, song.rate)
        _write(target, format, song, rate, p, (converted, accompaniment), gain, report)
        extra = {}
        if p.acapella:
            extra["acapella"] = str(target.with_stem(f"{target.stem} (acapella)"))
            silence = (converted, Sides(song.channels, open_files, scratch))
            for _, block in converted.blocks():
                silence[1].append(np.zeros_like(block))
            _write(Path(extra["acapella"]), format, song, rate, p, silence, gain, report)
    if p.keep_stems and p.vocals_path is None and p.accompaniment_path is None:
        again = Separate(
            input_path=path, output_folder=folder, model=p.model, model_file=p.model_file, gpu=p.gpu
        )
        made = separate.run(again)
        extra |= {stem: made[stem] for stem in separate.STEMS}
    return {
        "file": str(path),
        "output_path": str(target),
        "seconds": round(song.seconds, 3),
        "rate": rate,
        "channels": song.channels,
        "from_cache": known,
        "sung_share": round(float((mask > 0.5).mean()), 3),
        "voice_gain_db": round(gain, 2),
        "skipped": False,
    } | extra


def _take_apart(
    song: stems.Song, p: Cover, voice: Sides, accompaniment: Sides, report: Report
) -> bool:
    """Fill in both stems of a song; True where nothing had to be separated."""
    known = True
    given = p.vocals_path, p.accompaniment_path
    if given == (None, None):
        model = models.load(
            p.model, p.model_file, str(choose(p.gpu, part="convert").device), report
        )
        kept, known = stems.voice_of(song, model, report)
        pairs = stems.both(song, kept)
    elif p.vocals_path is not None and p.accompaniment_path is not None:
        pairs = zip(_like(song, p.vocals_path), _like(song, p.accompaniment_path), strict=True)
    elif p.vocals_path is not None:
        pairs = ((v, s - v) for v, s in zip(_like(song, p.vocals_path), song.blocks(), strict=True))
    else:
        assert p.accompaniment_path is not None
        others = _like(song, p.accompaniment_path)
        pairs = ((s - a, a) for a, s in zip(others, song.blocks(), strict=True))
    for vocals, rest in pairs:
        voice.append(vocals)
        accompaniment.append(rest)
    return known


def _like(song: stems.Song, path: Path) -> Iterator[np.ndarray]:
    """A stem of one's own in blocks that fit those of the song.

    Raises:
        BadInput: another rate, or more than 0.1 s longer or shorter.
    """
    found = stems.scan(path)
    if found.rate != song.rate or abs(found.frames - song.frames) > song.rate // 10:
        raise BadInput(
            f"{path} ({found.seconds:.2f} s, {found.rate} Hz) does not fit {song.path} "
            f"({song.seconds:.2f} s, {song.rate} Hz).",
            "Export the stem at the song's own rate and length.",
        )
    mine = found.blocks()
    held = np.zeros((0, song.channels), np.float32)
    for block in song.blocks():
        while len(held) < len(block):
            more = next(mine, None)
            if more is None:
                more = np.zeros((len(block) - len(held), song.channels), np.float32)
            if more.shape[1] != song.channels:
                more = np.repeat(more.mean(axis=1, keepdims=True), song.channels, axis=1)
            held = np.concatenate([held, more.astype(np.float32, copy=False)])
        yield held[: len(block)]
        held = held[len(block) :]


def _give_back(
    song: stems.Song,
    voice: Sides,
    accompaniment: Sides,
    mask: np.ndarray,
    open_files: ExitStack,
    scratch: Path,
) -> None:
    """Where nobody sings, what little there is of a voice goes back to the accompaniment."""
    kept, rest = (Sides(song.channels, open_files, scratch) for _ in range(2))
    for start, block in voice.blocks():
        mine = block * mix.gains_at(mask, song.rate, start, len(block))[:, None]
        kept.append(mine)
        rest.append(accompaniment.read(start, start + len(block)) + (block - mine))
    voice.spools, accompaniment.spools = kept.spools, rest.spools


def _converted(
    song: stems.Song,
    voice: Sides,
    loaded: voices.Voice,
    p: Cover,
    powers: np.ndarray,
    report: Report,
    scratch: Path,
) -> Iterator[np.ndarray]:
    """The converted voice (T, channels) at the song's rate, as long as the song."""
    semitones = max(-MOST_SEMITONES, min(MOST_SEMITONES, p.pitch + p.key))
    changes = {"pitch": semitones, "export_rate": "input", "export_format": "WAV"}
    asked = p.model_copy(update=changes)
    blocks = (Block(block, start, song.rate) for start, block in voice.blocks())
    where = mix.places(powers)
    left, at = song.frames, 0
    with stream(blocks, loaded, asked, report, folder=scratch) as done:
        for wave in done.blocks():
            block = wave[:left]
            if block.shape[1] != song.channels:
                block = block * mix.gains_at(where, song.rate, at, len(block))
            yield block
            at, left = at + len(block), left - len(block)
    if left:
        yield np.zeros((left, song.channels), np.float32)


def _write(
    target: Path,
    format: encode.Format,
    song: stems.Song,
    rate: int,
    p: Cover,
    sounds: tuple[Sides, Sides],
    gain_db: float,
    report: Report,
) -> None:
    """The mix, below the ceiling, at a rate that the format can hold."""
    gains = gain_db, p.accompaniment_gain
    scale = np.float32(mix.headroom(mix.mixed(*sounds, *gains), song.channels, p.ceiling))
    resampler = StreamResampler(song.rate, rate, song.channels)
    bits = min(p.bit_depth, 24) if format == "FLAC" else p.bit_depth
    with encode.Writer(target, rate, song.channels, format, bits) as file:
        for block in mix.mixed(*sounds, *gains):
            wave = block * scale
            file.write(resampler(wave if song.channels > 1 else wave[:, 0]))
            report(file.frames / rate, song.seconds, "Writing")
        file.write(resampler(None, last=True))
