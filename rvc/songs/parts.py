"""One song on its way to a cover: its parts as sounds of any length, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from rvc import Report
from rvc.audio import encode
from rvc.audio.io import AudioBlock
from rvc.audio.stream import Spool, StreamResampler
from rvc.config import paths
from rvc.errors import BadInput
from rvc.infer.convert import stream
from rvc.infer.voice import Voice
from rvc.params import Cover
from rvc.separation import apart, stems
from rvc.songs import mix
from rvc.songs.mix import Sides

MOST_SEMITONES = 24


class MixParts:
    """What a cover is mixed from.

    Attributes:
        voice: what is to be converted. accompaniment: all else. converted: in the new voice.
        backing: backing voices, where they are told from the lead. room: what surrounds a voice
            that is taken out of it.
        powers: (F, C) mean square of the song's voice per 10 ms.
        gain_db, backing_gain_db: of the converted and the backing voices in the mix.
    """

    def __init__(self, song: stems.Song, p: Cover, report: Report, open_files: ExitStack) -> None:
        self.song, self.p, self.report, self.open_files = song, p, report, open_files
        self.scratch = paths().cache / "songs"
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.voice, self.accompaniment, self.converted = (self._sound() for _ in range(3))
        self.backing: Sides | None = None
        self.room: Sides | None = None
        self.powers = np.zeros((1, song.channels))
        self.gain_db, self.backing_gain_db = p.voice_gain, p.backing_gain

    def _sound(self) -> Sides:
        return Sides(self.song.channels, self.open_files, self.scratch)

    def _spool(self) -> Spool:
        return self.open_files.enter_context(Spool(self.scratch))

    def take_apart(self) -> bool:
        """Fill in voice and accompaniment; True where nothing had to be separated."""
        steps = self._steps()
        finer = {step.names[0]: stems.own(self.song, step.kept) for step in steps}
        finer.pop("vocals", None)
        pairs = steps[0].pairs() if self._separates() else self._own_pairs()
        self.backing = self._sound() if "lead" in finer else None
        self.room = self._sound() if "dry" in finer else None
        for whole, rest in pairs:
            lead = _split(whole, finer.get("lead"), self.backing)
            self.voice.append(_split(lead, finer.get("dry"), self.room))
            self.accompaniment.append(rest)
        self.powers = mix.frame_powers(self.voice, self.song.rate)
        return all(step.known for step in steps)

    def _separates(self) -> bool:
        return self.p.vocals_path is None and self.p.accompaniment_path is None

    def _steps(self) -> list[apart.Apart]:
        """What is taken apart by networks."""
        p = self.p
        if self._separates():
            return apart.apart(self.song, p, self.report)
        if not apart.refinements(p):
            return []
        if p.vocals_path is None:
            raise BadInput(
                "Lead, backing and room are told by the voice; only the accompaniment is given.",
                "Give --vocals-path, too.",
            )
        return apart.refined(stems.scan(p.vocals_path), p, self.report)

    def _own_pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Blocks of voice and accompaniment where at least one of them was given."""
        song, p = self.song, self.p
        voices = None if p.vocals_path is None else stems.own(song, p.vocals_path)
        rests = None if p.accompaniment_path is None else stems.own(song, p.accompaniment_path)
        for whole in song.blocks():
            voice = None if voices is None else next(voices)
            rest = whole - voice if rests is None else next(rests)
            yield (whole - rest if voice is None else voice), rest

    def give_back(self) -> float:
        """Where nobody sings, what little there is of a voice goes back to the accompaniment.

        Returns:
            The share of the song in which somebody sings.
        """
        mask = mix.sung(self.powers, self.p.quiet_below)
        kept, rest = self._sound(), self._sound()
        for start, block in self.voice.blocks():
            stop = start + len(block)
            sung = mix.gains_at(mask, self.song.rate, start, len(block))[:, None]
            kept.append(block * sung)
            left = block - block * sung
            if self.room is not None:
                left = left + self.room.read(start, stop) * (1 - sung)
            rest.append(self.accompaniment.read(start, stop) + left)
        self.voice, self.accompaniment = kept, rest
        return round(float((mask > 0.5).mean()), 3)

    def sing(self, loaded: Voice | None) -> float:
        """Fill in the converted voice and move the key; returns the voice's gain in dB.

        Args:
            loaded: None takes the voice of an earlier cover.
        """
        rate, p = self.song.rate, self.p
        if loaded is not None:
            self.converted, gain_db = self._in_voice(self.voice, self.powers, loaded)
            self.gain_db += gain_db
        elif p.acapella_path is not None:
            for block in stems.own(self.song, p.acapella_path):
                self.converted.append(block)
        if self.backing is not None:
            self._sing_backing(self.backing, loaded)
        if p.key:
            mix.shift(self.accompaniment, rate, p.key, self._spool, self.report)
        return self.gain_db

    def _sing_backing(self, backing: Sides, loaded: Voice | None) -> None:
        """What is wanted of the backing voices; an acapella holds them if they were converted."""
        p, rate = self.p, self.song.rate
        if p.backing == "drop" or (p.backing == "convert" and loaded is None):
            self.backing = None
        elif p.backing == "convert" and loaded is not None:
            powers = mix.frame_powers(backing, rate)
            self.backing, gain_db = self._in_voice(backing, powers, loaded)
            self.backing_gain_db += gain_db
        elif p.key:
            mix.shift(backing, rate, p.key, self._spool, self.report)

    def _in_voice(self, sound: Sides, powers: np.ndarray, loaded: Voice) -> tuple[Sides, float]:
        """A sound converted, and the gain in dB that brings it to the loudness it had."""
        done = self._sound()
        for block in self._blocks_in_voice(sound, powers, loaded):
            done.append(block)
        if not self.p.match_vocals:
            return done, 0.0
        wanted, found = (mix.loudness_of(each, self.song.rate) for each in (sound, done))
        return done, mix.matching_gain_db(wanted, found)

    def _blocks_in_voice(
        self, sound: Sides, powers: np.ndarray, loaded: Voice
    ) -> Iterator[np.ndarray]:
        """A sound (T, channels) converted, at the song's rate and as long as the song.

        What was converted as one sound is placed where it stood between the sides.
        """
        song, p = self.song, self.p
        semitones = max(-MOST_SEMITONES, min(MOST_SEMITONES, p.pitch + p.key))
        changes = {"pitch": semitones, "export_rate": "input", "export_format": "WAV"}
        blocks = (AudioBlock(block, start, song.rate) for start, block in sound.blocks())
        places, left, at = mix.places(powers), song.frames, 0
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

    def write(self, target: Path, alone: bool = False) -> int:
        """Mix, hold below the ceiling and write at a rate that the format can hold.

        Args:
            alone: only what was converted.

        Returns:
            The file's rate in Hz.
        """
        song, p = self.song, self.p
        format = encode.format_of(target)
        rate = encode.file_rate(format, song.rate)
        parts = [(self.converted, self.gain_db)]
        if not alone:
            parts.append((self.accompaniment, p.accompaniment_gain))
        if self.backing is not None and (p.backing == "convert" or not alone):
            parts.append((self.backing, self.backing_gain_db))
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


def _split(whole: np.ndarray, finer: Iterator[np.ndarray] | None, rest: Sides | None) -> np.ndarray:
    """A block, or the finer part of it where there is one; what it leaves goes to `rest`."""
    if finer is None or rest is None:
        return whole
    part = next(finer)
    rest.append(whole - part)
    return part
