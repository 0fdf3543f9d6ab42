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
from rvc.separation import models, stems
from rvc.songs import mix, separate
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
            "The voice alone moves by %g semitones and leaves the song's key; --key moves the "
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
    target = folder / f"{path.stem} ({p.pth_path.stem}).{p.export_format.lower()}"
    if target.exists() and not p.overwrite:
        return {"file": str(path), "output_path": str(target), "skipped": True}
    loaded = None
    if p.acapella_path is None:  # a bad voice is told before the work
        loaded = voices.load(p.pth_path, p.index_path, p, report)
    with ExitStack() as open_files:
        work = Work(stems.scan(path, report), p, report, open_files)
        encode.check(target, encode.format_of(target), work.song.channels)
        result: Result = {
            "file": str(path),
            "output_path": str(target),
            "seconds": round(work.song.seconds, 3),
            "channels": work.song.channels,
            "skipped": False,
            "from_cache": work.take_apart(),
            "sung_share": work.give_back(),
            "voice_gain_db": round(work.sing(loaded), 2),
        }
        folder.mkdir(parents=True, exist_ok=True)
        result["rate"] = work.write(target, work.accompaniment)
        if p.acapella_path is not None:
            result["acapella"] = str(p.acapella_path)
        elif p.acapella:
            alone = target.with_stem(f"{target.stem} (acapella)")
            work.write(alone, None)
            result["acapella"] = str(alone)
    if p.keep_stems and p.vocals_path is None and p.accompaniment_path is None:
        result |= _keep_stems(path, folder, p)
    return result


def _keep_stems(path: Path, folder: Path, p: Cover) -> Result:
    """Write the song's own stems, which lie in the cache."""
    asked = Separate(
        input_path=path,
        output_folder=folder,
        model=p.model,
        model_file=p.model_file,
        gpu=p.gpu,
        overwrite=p.overwrite,
    )
    made = separate.run(asked)
    return {stem: made[stem] for stem in separate.STEMS}


class Work:
    """One song on its way to a cover: its parts as sounds of any length, in constant memory.

    Attributes:
        voice: what is to be converted. accompaniment: all else. converted: in the new voice.
        powers: (F, C) mean square of the song's voice per 10 ms.
        gain_db: of the converted voice in the mix.
    """

    def __init__(self, song: stems.Song, p: Cover, report: Report, open_files: ExitStack) -> None:
        self.song, self.p, self.report, self.open_files = song, p, report, open_files
        self.scratch = paths().cache / "songs"
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.voice, self.accompaniment, self.converted = (self._sound() for _ in range(3))
        self.powers = np.zeros((1, song.channels))
        self.gain_db = p.voice_gain

    def _sound(self) -> Sides:
        return Sides(self.song.channels, self.open_files, self.scratch)

    def _spool(self) -> Spool:
        return self.open_files.enter_context(Spool(self.scratch))

    def take_apart(self) -> bool:
        """Fill in voice and accompaniment; True where nothing had to be separated."""
        song, p, known = self.song, self.p, True
        pairs: Iterator[tuple[np.ndarray, np.ndarray]]
        if p.vocals_path is not None and p.accompaniment_path is not None:
            others = stems.own(song, p.accompaniment_path)
            pairs = zip(stems.own(song, p.vocals_path), others, strict=True)
        elif p.vocals_path is not None:
            both = zip(stems.own(song, p.vocals_path), song.blocks(), strict=True)
            pairs = ((voice, whole - voice) for voice, whole in both)
        elif p.accompaniment_path is not None:
            both = zip(stems.own(song, p.accompaniment_path), song.blocks(), strict=True)
            pairs = ((whole - rest, rest) for rest, whole in both)
        else:
            device = str(choose(p.gpu, part="convert").device)
            model = models.load(p.model, p.model_file, device, self.report)
            kept, known = stems.voice_of(song, model, self.report)
            pairs = stems.both(song, kept)
        for voice, rest in pairs:
            self.voice.append(voice)
            self.accompaniment.append(rest)
        self.powers = mix.frame_powers(self.voice, song.rate)
        return known

    def give_back(self) -> float:
        """Where nobody sings, what little there is of a voice goes back to the accompaniment.

        Returns:
            The share of the song in which somebody sings.
        """
        mask = mix.sung(self.powers, self.p.quiet_below)
        kept, rest = self._sound(), self._sound()
        for start, block in self.voice.blocks():
            mine = block * mix.gains_at(mask, self.song.rate, start, len(block))[:, None]
            kept.append(mine)
            rest.append(self.accompaniment.read(start, start + len(block)) + (block - mine))
        self.voice, self.accompaniment = kept, rest
        return round(float((mask > 0.5).mean()), 3)

    def sing(self, loaded: voices.Voice | None) -> float:
        """Fill in the converted voice and move the key; returns the voice's gain in dB.

        Args:
            loaded: None takes the voice of an earlier cover.
        """
        rate = self.song.rate
        if loaded is not None:
            for block in self._converted(loaded):
                self.converted.append(block)
            if self.p.match_vocals:
                wanted, found = (mix.loudness_of(s, rate) for s in (self.voice, self.converted))
                self.gain_db += mix.matching_gain_db(wanted, found)
        elif self.p.acapella_path is not None:
            for block in stems.own(self.song, self.p.acapella_path):
                self.converted.append(block)
        if self.p.key:
            mix.shift(self.accompaniment, rate, self.p.key, self._spool, self.report)
        return self.gain_db

    def _converted(self, loaded: voices.Voice) -> Iterator[np.ndarray]:
        """The voice (T, channels) converted, at the song's rate and as long as the song.

        What was converted as one sound is placed where the voice stood between the sides.
        """
        song, p = self.song, self.p
        semitones = max(-MOST_SEMITONES, min(MOST_SEMITONES, p.pitch + p.key))
        changes = {"pitch": semitones, "export_rate": "input", "export_format": "WAV"}
        blocks = (Block(block, start, song.rate) for start, block in self.voice.blocks())
        places, left, at = mix.places(self.powers), song.frames, 0
        asked = p.model_copy(update=changes)
        with stream(blocks, loaded, asked, self.report, folder=self.scratch) as done:
            for wave in done.blocks():
                block = wave[:left]
                if block.shape[1] != song.channels:
                    block = block * mix.gains_at(places, song.rate, at, len(block))
                yield block
                at, left = at + len(block), left - len(block)
        if left:
            yield np.zeros((left, song.channels), np.float32)

    def write(self, target: Path, accompaniment: Sides | None) -> int:
        """Mix, hold below the ceiling and write at a rate that the format can hold.

        Args:
            accompaniment: None writes the converted voice alone.

        Returns:
            The file's rate in Hz.
        """
        song, p = self.song, self.p
        format = encode.format_of(target)
        rate = encode.file_rate(format, song.rate)
        parts = [(self.converted, self.gain_db)]
        if accompaniment is not None:
            parts.append((accompaniment, p.accompaniment_gain))
        scale = np.float32(mix.headroom(mix.mixed(parts), song.channels, p.ceiling))
        resampler = StreamResampler(song.rate, rate, song.channels)
        bits = min(p.bit_depth, 24) if format == "FLAC" else p.bit_depth
        frames = round(song.seconds * rate)
        with encode.Writer(target, rate, song.channels, format, bits, p.bitrate, frames) as file:
            for block in mix.mixed(parts):
                wave = block * scale
                file.write(resampler(wave if song.channels > 1 else wave[:, 0]))
                self.report(file.frames / rate, song.seconds, "Writing")
            file.write(resampler(None, last=True))
        return rate
